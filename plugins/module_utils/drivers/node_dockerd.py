# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The node's own Docker daemon, for services that have no private one. It is never started and never stopped here."""

from __future__ import annotations

import os
from typing import List, Optional

from ..node import processes
from ..node.cgroups import ControlGroup
from ..node.commands import require_programs
from ..node.docker_api import DockerApi, require_sdk
from ..node.errors import NodeError, Undetermined
from ..node.machine import Machine
from .base import DOWN, UNDEF, UP, WARN, Daemon, DaemonLook

SOCKET = "/var/run/docker.sock"


class NodeDockerd(Daemon):
    """The daemon behind /var/run/docker.sock."""

    private = False
    data_root = ""

    def __init__(self, machine: Machine, socket: str = SOCKET):
        super().__init__()
        self.machine = machine
        self.socket = socket
        self._api: Optional[DockerApi] = None

    def look(self, max_age: float = 0.0) -> DaemonLook:
        former = self._former(max_age)
        if former:
            return DaemonLook(UNDEF, former)
        try:
            owner = processes.socket_owner(self.socket)
            if owner:
                self.api().info()
                return DaemonLook(UP, "", owner)
            survivors = sorted(self.machine.cgroup.pids())
        except Undetermined as error:
            self._api = None
            return DaemonLook(UNDEF, str(error))
        if survivors:
            return DaemonLook(
                WARN,
                "the node's docker daemon is not running, but containers of the service live on",
                None,
                tuple(survivors),
            )
        return DaemonLook(DOWN, "docker daemon is not running")

    def _former(self, max_age: float) -> str:
        """That the service still has a private daemon, by an earlier definition; an empty string when it has none."""
        for process in self.machine.host.docker_processes(max_age):
            words = dict(zip(process.argv, process.argv[1:]))
            if words.get("--exec-root") == self.machine.exec_root and process.runs():
                text = "its private docker daemon (%s) still runs: stop the service with docker_data_dir = %s first"
                return text % (process, words.get("--data-root"))
        return ""

    def check_start(self) -> None:
        """Refuse a start when the node's daemon does not answer. Raises NodeError."""
        require_programs("docker")
        require_sdk()
        found = self.look()
        if found.state != UP:
            raise NodeError(
                "%s: start the node's docker daemon, or give the service a docker_data_dir of its own" % found.reason
            )

    def api(self) -> DockerApi:
        if self._api is None:
            self._api = DockerApi(self.socket, self.machine.host.docker_patience)
        return self._api

    def container_group(self, container_id: str) -> ControlGroup:
        plain, scope = map(self.machine.cgroup.below, (container_id, "docker-%s.scope" % container_id))
        return scope if scope.exists() else plain

    def run_options(self) -> List[str]:
        if self.api().info().get("CgroupDriver") == "systemd":
            return ["--cgroup-parent", self.machine.slice]
        return ["--cgroup-parent", os.path.join("/dockyard", self.machine.short_id)]
