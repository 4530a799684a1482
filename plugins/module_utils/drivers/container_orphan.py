# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Ending a container without docker: its daemon is dead, or what stands between them does not answer."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import List

from ..node import processes
from ..node.errors import NodeError
from ..node.machine import Machine
from .base import Daemon


class Orphan:
    """A container whose daemon is dead, known by its control group."""

    def __init__(self, machine: Machine, daemon: Daemon, rid: str, container_id: str):
        self._machine = machine
        self._rid = rid
        self._group = daemon.container_group(container_id)
        self._run = machine.run

    def end(self, grace: float) -> bool:
        """Ask its first process to end, then kill all that is left; whether there was any. Raises NodeError."""
        pids = self._pids()
        if not pids:
            return False
        self._group.thaw(self._run, self._rid)
        self._signal(signal.SIGTERM, [pid for pid in pids if processes.is_init(pid)] or pids[:1])
        if self._run.check_mode:
            self._machine.outlook.ended.update(pids)
        elif not self._has_ended(grace):
            self._signal(signal.SIGKILL, self._pids())
            if not self._has_ended(processes.KILL_DEADLINE):
                raise NodeError("processes of the container cannot be killed: %s" % processes.describe(self._pids()))
        return True

    def _pids(self) -> List[int]:
        return sorted(self._group.pids())

    def _has_ended(self, deadline: float) -> bool:
        return processes.wait_until(lambda: not self._pids(), deadline)

    def _signal(self, number: int, pids: List[int]) -> None:
        """Signal processes that are in the container's control group at this moment."""
        name = signal.Signals(number).name[3:]
        for process in filter(None, map(processes.find, pids)):
            if process.pid in self._pids():
                self._run.do(
                    ["kill", "-" + name, str(process.pid)], partial(processes.send, process, number), self._rid
                )


def halted_helper(machine: Machine, container_id: str) -> str:
    """The shim of a container, or the containerd of the service, that a signal has stopped; empty when there is none.

    dockerd answers all the same, and whatever it is asked about the container waits for ever.
    """
    address = machine.exec_root + "/containerd/containerd."
    for process in machine.host.docker_processes(1.0):
        name = os.path.basename(process.program)
        shim = name.startswith("containerd-shim") and container_id in process.argv
        if not shim and not (name == "containerd" and any(word.startswith(address) for word in process.argv)):
            continue
        if process.pid not in machine.outlook.woken and processes.is_halted(process.pid):
            return "%s is stopped by a signal: docker waits for it in vain" % process
    return ""
