# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What all actions on one service have in common: which resources they are for, in what order, and what goes wrong."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import groupby
from typing import Any, Callable, Dict, Iterator, List, Sequence

from ..drivers.base import NOT_APPLICABLE, UNDEF, Driver, Status
from ..drivers.container import Container
from ..node.errors import NodeError
from ..node.threads import side_by_side
from .footing import Footing
from .instance import Instance


class ActionFailed(Exception):
    """An action did not reach its end. The message names the resource; what was done is in the journal.

    `rid` is the resource that did not do its part, when it is not the one whose turn it was.
    """

    def __init__(self, message: str, rid: str = ""):
        super().__init__(message)
        self.rid = rid


class Steps:
    """One action on one instance, for the resources in `rids`. The caller holds the lock, and read `states` under it."""

    def __init__(self, instance: Instance, rids: Sequence[str], states: Dict[str, Status]):
        self.instance = instance
        self.changed = False
        self.evidence: Dict[str, Dict[str, str]] = {}
        self._states = states
        self._reached: Dict[str, str] = {}  # by rid, the state that this run has brought a resource to
        self._footing = Footing(instance.drivers)
        self._journal = instance.run.journal
        self._check_mode = instance.run.check_mode
        self._chosen = [driver for driver in instance.drivers if driver.rid in rids]

    def _acts_on(self, driver: Driver) -> bool:
        reason = self._exempt(driver)
        if reason:
            self._journal.remark(driver.rid, "%s: left alone" % reason)
        return not reason

    def _exempt(self, driver: Driver) -> str:
        """Why no action is for a resource, an empty string for most."""
        if self.instance.definition.values["disable"]:
            return "the service is disabled"
        if driver.values["disable"]:
            return "is disabled"
        return "has the tag noaction" if "noaction" in driver.values["tags"] else ""

    def _containers(self) -> List[Container]:
        return [driver for driver in self.instance.drivers if isinstance(driver, Container)]

    def _each(self, drivers: Sequence[Driver], work: Callable[[Driver], None]) -> None:
        """Do something to each driver in turn, to those of a parallel subset side by side. Ends at the first failure."""

        def one(driver: Driver) -> None:
            with self._tolerant(driver):
                work(driver)

        for (group, subset), members in groupby(
            drivers, lambda driver: (driver.definition.group, driver.values["subset"])
        ):
            batch = list(members)
            if "%s:%s" % (group, subset) not in self.instance.definition.parallel_subsets:
                for driver in batch:
                    one(driver)
                continue
            side_by_side(one, batch, len(batch))

    def _attempt(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one piece of work; what goes wrong is noted and becomes the failure of the action."""
        try:
            return work()
        except (NodeError, OSError) as error:
            self._journal.remark(name if "#" in name else "", str(error), "error")
            raise ActionFailed("%s: %s" % (name, error), name if "#" in name else "") from error

    @contextmanager
    def _tolerant(self, driver: Driver) -> Iterator[None]:
        """Go on after the failure of an optional resource."""
        try:
            yield
        except ActionFailed as failure:
            if not driver.values["optional"] or failure.rid not in ("", driver.rid):
                raise
            self._journal.remark(driver.rid, "is optional: its failure does not count (%s)" % failure, "warn")

    # States

    def _state(self, driver: Driver) -> str:
        """The state of a resource as this run has left it; what this run has not touched is as it was read."""
        return self._reached.get(driver.rid) or self._states[driver.rid].state

    def _true_state(self, driver: Driver) -> str:
        """The same also for a resource whose status is not reported."""
        state = self._state(driver)
        if state != NOT_APPLICABLE:
            return state
        try:
            return driver.status().state
        except NodeError:
            return UNDEF

    def _unmet(self, driver: Driver, action: str, later: Sequence[Driver] = ()) -> str:
        """Which of `<action>_requires` does not hold, or an empty string. What is in `later` is asked again in its time."""
        for wanted in driver.values[action + "_requires"]:
            if any(other.rid == wanted.rid for other in later):
                continue
            other = next(other for other in self.instance.drivers if other.rid == wanted.rid)
            state = self._reached.get(wanted.rid) or self.instance.state_of(other).state
            if state not in wanted.states:
                return "%s_requires wants %s to be %s, and it is %s" % (
                    action,
                    wanted.rid,
                    " or ".join(wanted.states),
                    state,
                )
        return ""

    def _refuse(self, driver: Driver, reason: str) -> None:
        """End the action when there is a reason to."""
        if reason:
            self._journal.remark(driver.rid, reason, "error")
            raise ActionFailed("%s: %s" % (driver.rid, reason))
