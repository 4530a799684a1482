# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A service on this node: its drivers, its daemon, and its status."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Tuple, Union

from ..definition.keywords import GROUPS
from ..definition.model import Definition, ResourceDefinition
from ..drivers.base import DOWN, NOT_APPLICABLE, STANDBY_DOWN, STANDBY_UP, UNDEF, UP, WARN, Driver, Remark, Status
from ..drivers.container import Container
from ..drivers.docker_run import needs_bridge
from ..drivers.dockerd import Dockerd
from ..drivers.node_dockerd import NodeDockerd
from ..drivers.registry import driver_for
from ..node import clock
from ..node.commands import Runner
from ..node.errors import NodeError
from ..node.machine import Host, Machine
from ..node.threads import side_by_side
from .forgotten import forgotten
from .lock import current_action
from .merge import merge

_READERS = 8


class Instance:
    """One service on one node."""

    def __init__(self, definition: Definition, host: Host, run: Runner):
        self.definition = definition
        self.run = run
        self.machine = Machine(host, run, definition.path.slug, definition.short_id)
        self.daemon: Union[Dockerd, NodeDockerd] = self._daemon()
        self.drivers: List[Driver] = [self._driver(resource) for resource in definition.resources]
        self._read_at = ""

    def _daemon(self) -> Union[Dockerd, NodeDockerd]:
        if not self.definition.private:
            return NodeDockerd(self.machine)
        containers = [resource for resource in self.definition.resources if resource.group == "container"]
        grace = max([resource.values["stop_timeout"] for resource in containers], default=10.0)
        return Dockerd(self.definition, self.machine, grace, any(map(needs_bridge, containers)))

    def _driver(self, resource: ResourceDefinition) -> Driver:
        kind = driver_for(resource.group, resource.type)
        return kind(resource, self.definition, self.machine, self.daemon)

    @property
    def frozen(self) -> bool:
        """Whether somebody has marked the service as not to be touched by automation."""
        return os.path.exists(self.frozen_file)

    @property
    def frozen_file(self) -> str:
        """The flag file of the mark."""
        return os.path.join(self.machine.state_folder, "frozen")

    def forgotten(self) -> List[Tuple[str, str]]:
        """What this service has started here and the definition does not have: rid and what it is. Raises Undetermined."""
        rids = [driver.rid for driver in self.drivers] if self.definition.runs_here else []
        return forgotten(self.machine, self.daemon, rids)

    def problems(self) -> List[str]:
        """What is wrong with the service as a whole, in sentences."""
        where = "does not have it" if self.definition.runs_here else "does not name this node"
        text = "an earlier definition has started %s (%s), and this one %s: put it back, then stop it"
        try:
            found = [text % (rid, what, where) for rid, what in self.forgotten()]
        except NodeError as error:
            return [str(error)]
        if not (self.definition.runs_here and self._has_containers()) and self._is_daemon_left(1.0):
            text = "the docker daemon of an earlier definition is there, and this one %s"
            found.append(text % ("has no container: a stop ends it" if self.definition.runs_here else where))
        return found

    def _has_containers(self) -> bool:
        return any(isinstance(driver, Container) for driver in self.drivers)

    def _is_daemon_left(self, max_age: float) -> bool:
        return isinstance(self.daemon, Dockerd) and self.daemon.look(max_age).state != DOWN

    def read(self) -> Dict[str, Status]:
        """What every resource is now, by rid. A service that does not run here has none to read."""
        self._read_at = clock.now()
        if not self.definition.runs_here:
            return {}
        others = [driver for driver in self.drivers if not isinstance(driver, Container)]
        states: Dict[str, Status] = {}
        if len(others) > 1:  # side by side, so that one that hangs costs its time once
            states = dict(zip([driver.rid for driver in others], side_by_side(self.state_of, others, _READERS)))
        return {driver.rid: states.get(driver.rid) or self.state_of(driver) for driver in self.drivers}

    def status(self, states: Dict[str, Status]) -> Dict[str, Any]:
        """The status of the service as data: each resource, the daemon, and the merged states."""
        here = self.definition.runs_here
        resources = {driver.rid: self._resource(driver, states[driver.rid]) for driver in self.drivers} if here else {}
        avail = merge(item["state"] for item in resources.values() if not item["optional"])
        optional = merge(item["state"] for item in resources.values() if item["optional"])
        daemon = self._daemon_status() if here else None
        problems = self.problems()
        tainted = any(line["level"] != "info" for item in resources.values() for line in item["log"])
        tainted = tainted or bool(daemon and daemon["problems"]) or bool(problems)
        return {
            "path": str(self.definition.path),
            "node": self.definition.node,
            "nodes": self.definition.placement,
            "env": self.definition.values["env"],
            "app": self.definition.values["app"],
            "here": here,
            "read_at": self._read_at,
            "boot_id": clock.boot_id(),
            "avail": avail,
            "overall": merge([avail, optional] + [WARN] * tainted),
            "frozen": self.frozen,
            "action": current_action(self.machine),
            "groups": {group: merge(r["state"] for r in resources.values() if r["group"] == group) for group in GROUPS},
            "resources": resources,
            "daemon": daemon,
            "problems": problems,
        }

    def state_of(self, driver: Driver) -> Status:
        """The status of one resource, with `undef` and the reason when it could not be told, and standby states."""
        values = driver.values
        if values["disable"] or self.definition.values["disable"] or "nostatus" in values["tags"]:
            return Status(NOT_APPLICABLE, driver.label())
        try:
            status = driver.status()
        except NodeError as error:
            return Status(UNDEF, driver.label(), [Remark("error", str(error))])
        if values["standby"]:
            status.state = {UP: STANDBY_UP, DOWN: STANDBY_DOWN}.get(status.state, status.state)
        return status

    def _resource(self, driver: Driver, status: Status) -> Dict[str, Any]:
        values = driver.values
        return {
            "group": driver.definition.group,
            "type": driver.definition.type,
            "state": status.state,
            "label": status.label,
            "optional": bool(values["optional"] or "noaction" in values["tags"]),
            "disabled": bool(values["disable"] or self.definition.values["disable"]),
            "monitored": values["monitor"],
            "standby": values["standby"],
            "log": [{"level": remark.level, "text": remark.text} for remark in status.remarks],
            "facts": status.facts,
        }

    def _daemon_status(self) -> Optional[Dict[str, Any]]:
        if not self._has_containers() and not self._is_daemon_left(0.0):
            return None
        look = self.daemon.look(1.0)
        problems = self.daemon.problems() if isinstance(self.daemon, Dockerd) and look.state == UP else []
        return {
            "private": self.daemon.private,
            "state": look.state,
            "reason": look.reason,
            "pid": look.pid,
            "socket": self.daemon.socket,
            "data_root": self.daemon.data_root or None,
            "group": self.definition.values["docker_socket_group"] if self.daemon.private else None,
            "problems": problems,
        }
