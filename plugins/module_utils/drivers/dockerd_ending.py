# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""How the process of a private Docker daemon is ended: asked, waited for as long as it has something to do, then killed."""

from __future__ import annotations

import os
import signal
from functools import partial

from ..node import files, processes
from ..node.daemon_log import DaemonLog
from ..node.errors import NodeError
from ..node.machine import Machine
from ..node.processes import Process
from .dockerd_watch import DockerdWatch
from .leftovers import Leftovers

_GIVE_UP_DEADLINE = 3.0
_HELPERS_DEADLINE = 5.0
_SHUT_DOWN = (
    "Daemon shutdown complete"  # logged by dockerd's start function, when all but the end of containerd is done
)


class DockerdEnding:
    """Ends the daemon of one service. `patience` is how long it may take to shut down, in seconds."""

    def __init__(
        self,
        machine: Machine,
        watch: DockerdWatch,
        leftovers: Leftovers,
        log: DaemonLog,
        pid_file: str,
        patience: float,
    ):
        self._run = machine.run
        self._watch = watch
        self._leftovers = leftovers
        self._log = log
        self._pid_file = pid_file
        self._patience = patience

    def end(self, process: Process) -> None:
        """End the daemon. Raises NodeError when it stays.

        One that does not heed SIGTERM is continued, in case it was stopped by a signal, and killed in the end.
        """
        self._log.mark()
        self.signal(signal.SIGTERM)
        if self._run.check_mode:
            return
        if processes.is_halted(process.pid):
            self.signal(signal.SIGCONT)
        if self._shut_down(process):
            return
        self._run.journal.remark("", "the docker daemon (pid %d) did not end in time" % process.pid, "warn")
        self.signal(signal.SIGKILL)
        if not processes.wait_gone(process, processes.KILL_DEADLINE):
            raise NodeError(
                "the docker daemon (pid %d) cannot be killed: it waits for a device (state %s)"
                % (process.pid, processes.state(process.pid))
            )

    def give_up(self) -> None:
        """End a daemon that did not come up, without a word: its start has failed, and says so."""
        process = self._watch.process()
        if process:
            processes.send(process, signal.SIGTERM)
            if not processes.wait_gone(process, _GIVE_UP_DEADLINE):
                processes.send(process, signal.SIGKILL)
                processes.wait_gone(process, processes.KILL_DEADLINE)

    def signal(self, number: int) -> None:
        """Send a signal to the daemon, if it is there."""
        process = self._watch.process()
        if process:
            self._watch.forget()
            name = signal.Signals(number).name[3:]
            self._run.do(["kill", "-" + name, str(process.pid)], partial(processes.send, process, number))

    def _shut_down(self, process: Process) -> bool:
        """Wait until the daemon has ended, or has nothing more to do: then it is killed. Whether that was in time.

        The last thing that dockerd does is to look whether its containerd has ended, once a second, and to remove its pid
        file. When it has logged that it has shut down, and neither containerd nor shims are left, that second is for nothing.
        It does not wait for shims: what is about to end as well is given a moment, before it is taken for a leftover.
        """
        if not processes.wait_until(lambda: self._is_idle() or not process.runs(), self._patience):
            return False
        if process.runs():
            self._run.journal.remark(
                "", "the docker daemon has shut down: its process, which only sleeps now, is killed"
            )
            processes.send(process, signal.SIGKILL)
        ended = processes.wait_gone(process, processes.KILL_DEADLINE)
        if ended and os.path.isfile(self._pid_file):
            files.remove_file(self._pid_file)
        processes.wait_until(lambda: not self._leftovers.survivors(), _HELPERS_DEADLINE, 0.05)
        return ended

    def _is_idle(self) -> bool:
        return self._log.says(_SHUT_DOWN) and not self._leftovers.helpers()
