# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Making what a service needs to exist, and destroying it: apart from start and stop, and only when somebody asks."""

from __future__ import annotations

from typing import Callable, List, Tuple

from ..drivers.base import DOWN, STANDBY_UP, UP, Driver
from .starting import Starting
from .stopping import Stopping

Started = List[Tuple[Driver, Callable[[], bool]]]
"""Disks that had to be started for the others, in their order, each with the way to take that back."""


class Provisioning(Starting, Stopping):
    """The provision and the unprovision of a service."""

    def provision(self) -> None:
        """Make what the resources need, in the order of a start. What had to be started for it is stopped again.

        Raises ActionFailed. What was made by then stays: the next provision goes on from there.
        """
        drivers = [driver for driver in self._chosen if self._acts_on(driver)]
        started: Started = []
        try:
            for driver in drivers:
                with self._tolerant(driver):
                    self._refuse(driver, self._unmet(driver, "provision"))
                    if _is_own(driver.provision, Driver.provision):
                        self._bring_up(driver, started)
                        self._do(driver, driver.provision, "is there already")
                        self.instance.machine.outlook.expect(*driver.provides())
        finally:
            self._take_down(started)

    def unprovision(self) -> None:
        """Stop the resources, then destroy what provision has made for them, in the opposite order. Raises ActionFailed."""
        self.stop(standby=True)
        started: Started = []
        try:
            for driver in reversed(self._chosen):
                if self._acts_on(driver):
                    with self._tolerant(driver):
                        self._refuse(driver, self._unmet(driver, "unprovision"))
                        self._take_down([item for item in started if item[0] is driver])
                        if _is_own(driver.unprovision, Driver.unprovision) and self._is_there(driver):
                            self._bring_up(driver, started)
                            self._do(driver, driver.unprovision, "has nothing that provision made")
        finally:
            self._take_down(started)

    def _is_there(self, driver: Driver) -> bool:
        """Whether the disks that a resource stands on exist; without them nothing of it does."""
        missing = [below for below in self._footing.of(driver) if not self._attempt(below.rid, below.exists)]
        for below in missing:
            self._journal.remark(driver.rid, "nothing is left of it: there is no %s" % below.label())
        return not missing

    def _do(self, driver: Driver, work: Callable[[], bool], otherwise: str) -> None:
        if self._attempt(driver.rid, work):
            self.changed = True
        else:
            self._journal.remark(driver.rid, "%s %s" % (driver.label(), otherwise))

    def _bring_up(self, driver: Driver, started: Started) -> None:
        """Start the disks that a resource stands on, and those that they stand on."""
        for below in self._footing.of(driver):
            if below.definition.group != "disk":
                continue
            self._bring_up(below, started)
            state = self._true_state(below)
            if state not in (UP, STANDBY_UP):
                self._attempt(below.rid, below.check_start)
                started.append((below, below.stop if state == DOWN else below.undo_start))
                self._attempt(below.rid, below.start)
                self._reached[below.rid] = UP

    def _take_down(self, started: Started) -> None:
        """Take back the start of disks, newest first. Raises ActionFailed for one that stays."""
        for driver, way_back in reversed(started):
            self._attempt(driver.rid, way_back)
            self._reached[driver.rid] = DOWN


def _is_own(method: Callable[[], bool], of_the_base: Callable[[Driver], bool]) -> bool:
    """Whether a driver has a method of its own in place of the one that does nothing."""
    return getattr(method, "__func__", None) is not of_the_base
