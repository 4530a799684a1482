# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Stopping a service: down in order, no further than to the first failure, and with a proof of every release."""

from __future__ import annotations

from typing import Dict, List, Sequence, Set

from ..drivers.base import DOWN, NOT_APPLICABLE, STANDBY_DOWN, UNDEF, UP, WARN, Daemon, Driver
from ..drivers.container import Container
from ..drivers.dockerd import Dockerd
from ..node.errors import CommandLate, NodeError, Unanswered
from .steps import ActionFailed, Steps

_RELEASED = (DOWN, STANDBY_DOWN, NOT_APPLICABLE)


class Stopping(Steps):
    """The stop of a service."""

    def stop(self, standby: bool = False) -> None:
        """Stop the resources in the opposite order and prove their release. Raises ActionFailed at the first failure.

        Standby resources stay up unless `standby` is true.
        """
        drivers = [driver for driver in reversed(self._chosen) if self._acts_on(driver)]
        if not standby:
            drivers = [driver for driver in drivers if not self._stays_up(driver)]
        self._refuse_to_undermine(drivers)
        containers = [driver for driver in drivers if isinstance(driver, Container)]
        if containers or self._takes_data_root(drivers) or self._is_left_alone(self.instance.daemon):
            self._stop_containers(containers, drivers)
        self._each([driver for driver in drivers if not isinstance(driver, Container)], self._stop_one)
        if not self._check_mode:
            self._each(drivers, self._prove)
        self._name_forgotten()

    def _stays_up(self, driver: Driver) -> bool:
        if driver.values["standby"]:
            self._journal.remark(driver.rid, "is standby: left up")
        return bool(driver.values["standby"])

    def _refuse_to_undermine(self, drivers: Sequence[Driver]) -> None:
        """Raise ActionFailed, before the first change, when something would stay up without what it stands on."""
        for driver in drivers:
            self._refuse(driver, self._unmet(driver, "stop", drivers))
            if self._state(driver) in _RELEASED:
                continue
            for other in self._footing.upon(driver):
                state = self._true_state(other)
                if other not in drivers and state not in _RELEASED:
                    exempt = self._exempt(other)
                    way_out = "it %s: take that out first" % exempt if exempt else "stop it, too"
                    reason = "%s (%s) stands on it and is %s: %s" % (other.rid, other.label(), state, way_out)
                    self._refuse(driver, reason)

    def _takes_data_root(self, drivers: Sequence[Driver]) -> bool:
        """Whether the stop takes away what the data root of the private daemon lies on.

        Then the daemon ends first, and what one that died has left there is cleared away.
        """
        daemon = self.instance.daemon
        return isinstance(daemon, Dockerd) and any(
            carrier in drivers for carrier in self._footing.providers(daemon.data_root)
        )

    def _is_left_alone(self, daemon: Daemon) -> bool:
        """Whether a private daemon still runs, or has left something, of which the definition has no container any more."""
        return isinstance(daemon, Dockerd) and not self._containers() and daemon.look().state != DOWN

    def _stop_one(self, driver: Driver) -> None:
        self._refuse(driver, self._unmet(driver, "stop"))
        if self._attempt(driver.rid, driver.stop):
            self.changed = True
        else:
            self._journal.remark(driver.rid, "%s is already down" % driver.label())
        self._reached[driver.rid] = DOWN

    def _prove(self, driver: Driver) -> None:
        self.evidence[driver.rid] = self._attempt(driver.rid, driver.evidence)

    def _name_forgotten(self) -> None:
        """Name what an earlier definition has started and this one does not have: nobody stops it."""
        text = "an earlier definition has started it (%s), and this one does not have it: it stays as it is"
        for rid, what in self.instance.forgotten():
            self._journal.remark(rid, text % what, "warn")

    # Containers and their daemon

    def _stop_containers(self, containers: List[Container], drivers: Sequence[Driver]) -> None:
        daemon = self.instance.daemon
        whole = set(containers) == set(self._containers()) or self._takes_data_root(drivers)
        look = daemon.look()
        if look.state in (UNDEF, UP) and isinstance(daemon, Dockerd) and whole:
            look = self._attempt("docker daemon", daemon.wake)
            reason = self._lost_below(daemon) if look.state == UP else look.reason
            if reason and look.pid is not None:
                self._journal.remark("", "%s: it is ended, and its containers with it" % reason, "warn")
                self.changed = self._attempt("docker daemon", daemon.stop) or self.changed
        try:
            self._each(containers, self._stop_one)
        except ActionFailed as failure:
            if not (whole and isinstance(daemon, Dockerd) and self._is_stuck(failure, daemon)):
                raise
            self._journal.remark("", "%s: the docker daemon is ended, and its containers with it" % failure, "warn")
            self.changed = self._attempt("docker daemon", daemon.stop) or self.changed
            self._each(containers, self._stop_one)
        if isinstance(daemon, Dockerd):
            self._release_daemon(daemon, containers, whole)

    def _is_stuck(self, failure: ActionFailed, daemon: Dockerd) -> bool:
        """Whether docker lives and cannot stop a container, because what stands between them does not answer."""
        if not isinstance(failure.__cause__, (CommandLate, Unanswered)) or daemon.look().pid is None:
            return False
        return not self._strangers(self._attempt("docker daemon", lambda: daemon.running_containers(by_list=True)))

    def _lost_below(self, daemon: Dockerd) -> str:
        """Why a daemon that is up cannot stop its containers: its data root is gone. Empty when it can, or may."""
        try:
            return self._footing.missing_below(daemon.data_root)
        except NodeError:
            return ""

    def _release_daemon(self, daemon: Dockerd, stopped: List[Container], whole: bool) -> None:
        """End the daemon with its last container. One that people have started in it by hand is named, and not stopped."""
        running = self._running(daemon, stopped)
        strangers = self._strangers(running)
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
            self._journal.remark("", "the docker daemon stays up for %s" % ", ".join(sorted(running.values())))

    def _strangers(self, running: Dict[str, str]) -> List[str]:
        """The names of those among containers, by id, that are not the service's. One of its own may have another name."""
        own = self._ids(self._containers()) if running else set()
        return sorted(name for container_id, name in running.items() if container_id not in own)

    def _ids(self, containers: Sequence[Container]) -> Set[str]:
        return {container_id for driver in containers for container_id in self._attempt(driver.rid, driver.ids)}

    def _running(self, daemon: Dockerd, stopped: List[Container]) -> Dict[str, str]:
        """What runs in the daemon, or outlived it: names by id; in check mode without what would have been stopped."""
        look = daemon.look()
        if look.state == UNDEF:
            raise ActionFailed("docker daemon: %s" % look.reason)
        if look.state == WARN:
            left = [driver for driver in self._containers() if driver not in stopped]
            left = [driver for driver in left if self._attempt(driver.rid, driver.status).state != DOWN]
            return {container_id: driver.name for driver in left for container_id in self._ids([driver])}
        if look.state == DOWN:
            return {}
        imagined = self._ids(stopped) if self._check_mode else set()
        running: Dict[str, str] = self._attempt("docker daemon", daemon.running_containers)
        return {container_id: name for container_id, name in running.items() if container_id not in imagined}
