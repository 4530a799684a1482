# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Starting a service: ask everything first, then go up in order, and take back what was done when it does not work."""

from __future__ import annotations

import threading
import traceback
from functools import partial
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ..drivers.base import DOWN, NOT_APPLICABLE, STANDBY_UP, UNDEF, UP, Driver, Status
from ..drivers.container import Container
from ..drivers.dockerd import Dockerd
from ..node.errors import NodeError
from ..node.threads import side_by_side
from .footing import STANDING, bears
from .instance import Instance
from .steps import ActionFailed, Steps

_OPERATIONAL = (UP, STANDBY_UP, NOT_APPLICABLE)
_CHECKERS = 8


class Starting(Steps):
    """The start of a service."""

    def __init__(self, instance: Instance, rids: Sequence[str], states: Dict[str, Status]):
        super().__init__(instance, rids, states)
        self.verified: Optional[Dict[str, Status]] = None
        """What was read at the end of a start, when nothing was changed after it."""
        self._undo: List[Tuple[str, Callable[[], bool]]] = []
        self._unsettled: List[Driver] = []
        self._daemon_lock = threading.Lock()
        self._settle_lock = threading.Lock()

    def start(self) -> None:
        """Start the resources in order. Raises ActionFailed after taking back what was changed."""
        drivers = self._willing([driver for driver in self._chosen if self._acts_on(driver)])
        try:
            self._each(drivers, self._start_one)
            self._settle()
            if not self._check_mode:
                self._verify_up(drivers)
        except ActionFailed as failure:
            self.verified = None
            raise ActionFailed("%s; %s" % (failure, self._roll_back())) from failure
        except Exception as error:  # a mistake of ours leaves nothing half done either
            self.verified = None
            self._journal.remark("", traceback.format_exc(), "error")
            raise ActionFailed("internal error: %r; %s" % (error, self._roll_back())) from error

    # Before the first change

    def _willing(self, drivers: List[Driver]) -> List[Driver]:
        """The resources to start. Everything that is not up is asked before the first change; one refusal ends the start."""
        for driver in drivers:
            state = self._states[driver.rid]
            if state.state == UNDEF and not driver.values["optional"]:
                text = "%s: its status cannot be told: %s; mend that, or stop the service first"
                raise ActionFailed(text % (driver.rid, state.remarks[0].text))
        rising = [driver for driver in drivers if self._state(driver) not in (UP, STANDBY_UP)]
        for driver in rising:
            self.instance.machine.outlook.expect(*driver.provides())
        refusals = self._refusals(drivers, rising)
        for driver in drivers:
            if driver.rid in refusals:
                with self._tolerant(driver):
                    self._refuse(driver, refusals[driver.rid])
        return [driver for driver in drivers if driver.rid not in refusals]

    def _refusals(self, drivers: List[Driver], rising: List[Driver]) -> Dict[str, str]:
        """Why resources cannot be started, by rid. They are asked side by side: a probe of the network takes its time."""

        def ask(driver: Driver) -> str:
            reason = self._unmet(driver, "start", drivers) or self._unfounded(driver, rising)
            if not reason and driver.imagined is None:
                try:
                    driver.check_start()
                except (NodeError, OSError) as error:
                    reason = str(error)
            return reason

        if not rising:
            return {}
        first = next((driver for driver in rising if isinstance(driver, Container)), None)
        works: List[Tuple[str, Callable[[], str]]] = [(driver.rid, partial(ask, driver)) for driver in rising]
        if first:
            works.append((first.rid, self._ask_daemon))
        answers = side_by_side(lambda work: work[1](), works, _CHECKERS)
        return {rid: answer for (rid, _ask), answer in zip(works, answers) if answer}

    def _ask_daemon(self) -> str:
        daemon = self.instance.daemon
        try:
            if daemon.look(1.0).state != UP:
                daemon.check_start()
        except (NodeError, OSError) as error:
            return str(error)
        return ""

    def _unfounded(self, driver: Driver, rising: Sequence[Driver] = ()) -> str:
        """What a resource stands on and is not up, nor comes up before it in this start; an empty string when all is well."""
        order = self.instance.drivers.index
        for below in self._footing.of(driver):
            if below in rising:
                if order(below) > order(driver):
                    return "needs %s, which starts later: change their order" % below.rid
                continue
            state = self._true_state(below)
            if state not in STANDING:
                return "needs %s (%s), which is %s: start it, too" % (below.rid, below.label(), state)
            found = self._states[below.rid]
            if below.rid not in self._reached and state == found.state and not bears(found):
                return "needs %s, which %s" % (below.rid, found.remarks[0].text)
        return ""

    # Going up

    def _start_one(self, driver: Driver) -> None:
        if driver.values["start_requires"]:
            self._settle()
        self._refuse(driver, self._unmet(driver, "start") or self._unfounded(driver))
        if isinstance(driver, Container):
            with self._daemon_lock:
                self._start_daemon(driver)
                self._settle(lambda other: not isinstance(other, Container))
        undo = (driver.rid, driver.undo_start)
        self._undo.append(undo)
        if self._attempt(driver.rid, driver.start):
            self.changed = True
            self._unsettled.append(driver)
        else:
            self._undo.remove(undo)
            is_up = self._true_state(driver) in _OPERATIONAL
            self._journal.remark(driver.rid, "%s is %s" % (driver.label(), "already up" if is_up else "left as it is"))
        self._reached[driver.rid] = UP

    def _start_daemon(self, driver: Driver) -> None:
        daemon = self.instance.daemon
        was_up = daemon.look(1.0).state == UP
        if not isinstance(daemon, Dockerd):
            return
        if not was_up and not self._check_mode:
            self._attempt(driver.rid, lambda: self._footing.check_data_root(daemon.data_root))
        if not self._attempt(driver.rid, daemon.start):
            return
        self.changed = True
        if not was_up:
            self._undo.append(("docker daemon", lambda: self._stop_idle_daemon(daemon)))

    def _settle(self, wanted: Callable[[Driver], bool] = lambda _driver: True) -> None:
        """Wait for what was started and is not done yet: for addresses before any container, for all before the end."""
        with self._settle_lock:
            for driver in filter(wanted, list(self._unsettled)):
                self._unsettled.remove(driver)
                with self._tolerant(driver):
                    try:
                        self._attempt(driver.rid, driver.settle)
                    except ActionFailed:
                        self._reached[driver.rid] = DOWN
                        raise

    def _verify_up(self, drivers: List[Driver]) -> None:
        """Read everything again, if anything was changed: a start that leaves a resource anything but up has failed."""
        self.verified = self.instance.read() if self.changed else self._states
        for driver in drivers:
            state = self.verified[driver.rid]
            if state.state not in _OPERATIONAL and not driver.values["optional"]:
                reason = "; ".join(remark.text for remark in state.remarks)
                raise ActionFailed(
                    "%s: is %s after the start%s" % (driver.rid, state.state, ": " + reason if reason else "")
                )

    # Taking back

    def _roll_back(self) -> str:
        """Take back, in the opposite order, what this run has changed; what was done, in words."""
        if self._undo and not self.instance.definition.values["rollback"]:
            return "what was started stays (rollback is false)"
        done: List[str] = []
        for name, undo in reversed(self._undo):
            try:
                done += [name] * undo()
            except (NodeError, OSError) as error:
                self._journal.remark(name, "cannot be taken back: %s" % error, "error")
                return "taken back: %s; NOT taken back: %s: %s" % (", ".join(done) or "nothing", name, error)
        return "taken back: %s" % ", ".join(done) if done else "nothing had been changed"

    @staticmethod
    def _stop_idle_daemon(daemon: Dockerd) -> bool:
        return (daemon.look().state != UP or not daemon.running_containers()) and daemon.stop()
