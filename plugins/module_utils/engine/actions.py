# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The actions on one service: start, stop, restart, freeze and thaw.

A start goes ip, disk, fs, container, by number inside a group; a stop goes the other way and down no further than to the
first failure. What a failed start has changed is taken back, what was up before stays up.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ..drivers.base import DOWN, NOT_APPLICABLE, STANDBY_UP, UNDEF, UP, WARN, Driver, Status
from ..drivers.container import Container
from ..drivers.dockerd import Dockerd
from ..node import files
from ..node.errors import NodeError
from .instance import Instance

_OPERATIONAL = (UP, STANDBY_UP, NOT_APPLICABLE)


class ActionFailed(Exception):
    """An action did not reach its end. The message names the resource; what was done is in the journal."""


class Actions:
    """The actions on one instance, for the resources in `rids`. The caller holds the lock, and has read `states` under it."""

    def __init__(self, instance: Instance, rids: Sequence[str], states: Dict[str, Status]):
        self.instance = instance
        self._states = states
        self.changed = False
        self.evidence: Dict[str, Dict[str, str]] = {}
        self.verified: Optional[Dict[str, Status]] = None
        """What was read at the end of a start, when nothing was changed after it."""
        self._journal = instance.run.journal
        self._chosen = [driver for driver in instance.drivers if driver.rid in rids]
        self._check_mode = instance.run.check_mode
        self._undo: List[Tuple[str, Callable[[], object]]] = []
        self._daemon_lock = threading.Lock()

    def start(self) -> None:
        """Start the resources in order. Raises ActionFailed after taking back what was changed."""
        drivers = [driver for driver in self._chosen if self._acts_on(driver)]
        self._refuse_early(drivers)
        try:
            self._each(drivers, self._start_one)
            if self.changed and not self._check_mode:
                self._verify_up(drivers)
        except ActionFailed as failure:
            self.verified = None
            raise ActionFailed("%s; %s" % (failure, self._roll_back())) from failure

    def stop(self) -> None:
        """Stop the resources in the opposite order and prove their release. Raises ActionFailed at the first failure."""
        drivers = [driver for driver in reversed(self._chosen) if self._acts_on(driver) and not self._stays_up(driver)]
        containers = [driver for driver in drivers if isinstance(driver, Container)]
        if containers:
            self._stop_containers(containers)
        self._each([driver for driver in drivers if not isinstance(driver, Container)], self._stop_one)
        if not self._check_mode:
            self._each(drivers, self._prove)

    def restart(self) -> None:
        """Stop, then start."""
        self.stop()
        if not self._check_mode:
            self._states = self.instance.read()
        self._journal.remark("", "stopped, ready for restart")
        self.start()

    def freeze(self) -> None:
        """Mark the service: automation is to leave it alone."""
        if not self.instance.frozen:
            path = self.instance.frozen_file
            self.instance.run.do(["touch", path], lambda: files.write_whole(path, ""))
            self.changed = True

    def thaw(self) -> None:
        """Take the mark away."""
        if self.instance.frozen:
            path = self.instance.frozen_file
            self.instance.run.do(["rm", "-f", path], lambda: files.remove_file(path))
            self.changed = True

    # Parts

    def _acts_on(self, driver: Driver) -> bool:
        values = driver.values
        if values["disable"] or self.instance.definition.values["disable"]:
            self._journal.remark(driver.rid, "is disabled: left alone")
            return False
        if "noaction" in values["tags"]:
            self._journal.remark(driver.rid, "has the tag noaction: left alone")
            return False
        return True

    def _stays_up(self, driver: Driver) -> bool:
        if driver.values["standby"]:
            self._journal.remark(driver.rid, "is standby: left up")
        return bool(driver.values["standby"])

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
            with ThreadPoolExecutor(max_workers=len(batch)) as pool:
                running = [pool.submit(one, driver) for driver in batch]
            for future in running:
                future.result()

    def _refuse_early(self, drivers: List[Driver]) -> None:
        """Ask everything that will be started whether it can be, before the first change."""
        down = []
        for driver in drivers:
            state = self._states[driver.rid]
            if state.state == UNDEF and not driver.values["optional"]:
                raise ActionFailed("%s: its status cannot be told: %s" % (driver.rid, state.remarks[0].text))
            if state.state not in (UP, STANDBY_UP):
                down.append(driver)
        if any(isinstance(driver, Container) for driver in down) and self.instance.daemon.look(1.0).state != UP:
            self._attempt("container", self.instance.daemon.check_start)
        self._each(down, lambda driver: self._attempt(driver.rid, driver.check_start))

    def _start_one(self, driver: Driver) -> None:
        if isinstance(driver, Container):
            self._start_daemon(driver)
        undo = (driver.rid, driver.undo_start)
        self._undo.append(undo)
        if self._attempt(driver.rid, driver.start):
            self.changed = True
        else:
            self._undo.remove(undo)
            self._journal.remark(driver.rid, "%s is already up" % driver.label())

    def _start_daemon(self, driver: Driver) -> None:
        daemon = self.instance.daemon
        with self._daemon_lock:
            was_up = daemon.look(1.0).state == UP
            if not isinstance(daemon, Dockerd) or not self._attempt(driver.rid, daemon.start):
                return
            self.changed = True
            if not was_up:
                self._undo.insert(0, ("docker daemon", lambda: self._stop_idle_daemon(daemon)))

    def _stop_one(self, driver: Driver) -> None:
        if self._attempt(driver.rid, driver.stop):
            self.changed = True
        else:
            self._journal.remark(driver.rid, "%s is already down" % driver.label())

    def _prove(self, driver: Driver) -> None:
        self.evidence[driver.rid] = self._attempt(driver.rid, driver.evidence)

    def _verify_up(self, drivers: List[Driver]) -> None:
        """Read everything again: a start that leaves a resource anything but up has failed."""
        self.verified = self.instance.read()
        for driver in drivers:
            state = self.verified[driver.rid]
            if state.state not in _OPERATIONAL and not driver.values["optional"]:
                reason = "; ".join(remark.text for remark in state.remarks)
                raise ActionFailed(
                    "%s: is %s after the start%s" % (driver.rid, state.state, ": " + reason if reason else "")
                )

    def _roll_back(self) -> str:
        """Take back, in the opposite order, what this run has changed; what was done, in words."""
        if not self._undo:
            return "nothing had been changed"
        if not self.instance.definition.values["rollback"]:
            return "what was started stays (rollback is false)"
        done = []
        for name, undo in reversed(self._undo):
            try:
                undo()
                done.append(name)
            except (NodeError, OSError) as error:
                self._journal.remark(name, "cannot be taken back: %s" % error, "error")
                return "taken back: %s; NOT taken back: %s: %s" % (", ".join(done) or "nothing", name, error)
        return "taken back: %s" % ", ".join(done)

    def _stop_containers(self, drivers: List[Container]) -> None:
        daemon = self.instance.daemon
        whole = set(drivers) == {driver for driver in self.instance.drivers if isinstance(driver, Container)}
        look = daemon.look()
        if look.state == UNDEF and isinstance(daemon, Dockerd) and whole:
            look = self._attempt("docker daemon", daemon.wake)
            if look.state == UNDEF and look.pid is not None:
                self._journal.remark("", "%s: it is ended, and its containers with it" % look.reason, "warn")
                self.changed = self._attempt("docker daemon", daemon.stop) or self.changed
        self._each(drivers, self._stop_one)
        if isinstance(daemon, Dockerd):
            self._release_daemon(daemon, drivers, whole)

    def _release_daemon(self, daemon: Dockerd, stopped: List[Container], whole: bool) -> None:
        """End the daemon with its last container. One that people have started in it by hand is named, and not stopped."""
        running = self._running(daemon, stopped)
        strangers = sorted(set(running) - self._own_names()) if running else []
        if not running:
            if self._attempt("docker daemon", daemon.stop):
                self.changed = True
                self._journal.remark("", "no more container handled by the docker daemon: it is shut down")
            if not self._check_mode:
                self.evidence["docker daemon"] = self._attempt("docker daemon", daemon.evidence)
        elif strangers and whole:
            raise ActionFailed(
                "docker daemon: is not stopped, because containers that the service does not declare run in it: %s; stop them "
                "with 'docker --host unix://%s stop NAME', then stop the service again"
                % (", ".join(strangers), daemon.socket)
            )
        else:
            self._journal.remark("", "the docker daemon stays up for %s" % ", ".join(running))

    def _own_names(self) -> Set[str]:
        """The names of the service's containers that are not down. A stranger with such a name is none of them."""
        containers = [driver for driver in self.instance.drivers if isinstance(driver, Container)]
        return {driver.name for driver in containers if self._attempt(driver.rid, driver.status).state != DOWN}

    def _running(self, daemon: Dockerd, stopped: List[Container]) -> List[str]:
        """The names of what runs in the daemon, or outlived it; in check mode without what would have been stopped."""
        look = daemon.look()
        if look.state == UNDEF:
            raise ActionFailed("docker daemon: %s" % look.reason)
        if look.state == WARN:
            return sorted(self._own_names() - {driver.name for driver in stopped})
        if look.state == DOWN:
            return []
        imagined = {driver.name for driver in stopped} if self._check_mode else set()
        return [name for name in self._attempt("docker daemon", daemon.running_containers) if name not in imagined]

    def _stop_idle_daemon(self, daemon: Dockerd) -> None:
        if daemon.look().state != UP or not daemon.running_containers():
            daemon.stop()

    def _attempt(self, name: str, work: Callable[[], object]):  # type: ignore[no-untyped-def]
        """Do one piece of work; what goes wrong is noted and becomes the failure of the action."""
        try:
            return work()
        except (NodeError, OSError) as error:
            self._journal.remark(name if "#" in name else "", str(error), "error")
            raise ActionFailed("%s: %s" % (name, error)) from error

    @contextmanager
    def _tolerant(self, driver: Driver) -> Iterator[None]:
        """Go on after the failure of an optional resource."""
        try:
            yield
        except ActionFailed as failure:
            if not driver.values["optional"]:
                raise
            self._journal.remark(driver.rid, "is optional: its failure does not count (%s)" % failure, "warn")
