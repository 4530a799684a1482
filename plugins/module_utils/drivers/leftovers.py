# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a private Docker daemon that is gone leaves behind: containers that live on, shims, mounts, files.

All of it is known by marks that only this service has: its control group, its exec root, its data root. Nothing else is
ever signalled, unmounted or removed. To be asked only when the daemon itself does not run.
"""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from typing import List, Sequence

from ..node import files, mounts, processes
from ..node.cgroups import ControlGroup
from ..node.commands import execute
from ..node.errors import NodeError
from ..node.machine import Machine
from ..node.mounts import Mount
from ..node.processes import Process

_UMOUNT_DEADLINE = 30.0
_BUSY_DEADLINE = 5.0
_SLICE_DEADLINE = 30.0


class Leftovers:
    """The remains of one service's daemon. `grace` is how long containers may take to end, in seconds."""

    def __init__(self, machine: Machine, data_root: str, grace: float, stale_files: Sequence[str]):
        self._machine = machine
        self._data_root = data_root
        self._exec_root = machine.exec_root
        self._grace = grace
        self._stale_files = stale_files
        self._run = machine.run

    def survivors(self, max_age: float = 0.0) -> List[int]:
        """The processes that live without a daemon. Raises Undetermined when the control group cannot be read."""
        return sorted(self._machine.cgroup.pids() | {process.pid for process in self.helpers(max_age)})

    def mounts(self) -> List[Mount]:
        """The mounts that dockerd made: network namespaces, layers, shared memory, and the data root on itself.

        The newest comes first, because a mount of the data root on itself hides older ones that are below it.
        """
        layers, containers = self._data_root + "/overlay2/", self._data_root + "/containers/"
        made = {
            mount
            for mount in mounts.below(self._data_root)
            if (mount.type == "overlay" and mount.point.startswith(layers))
            or (mount.type == "tmpfs" and mount.point.startswith(containers) and mount.point.endswith("/mounts/shm"))
        }
        made.update(mounts.below(self._exec_root), mounts.self_binds(self._data_root))
        return [mount for mount in reversed(mounts.table()) if mount in made]

    def clear(self) -> bool:
        """Clear everything away; whether there was anything. Raises NodeError when a part stays."""
        changed = False
        if self.survivors():
            self._end_survivors()
            changed = True
        for mount in self.mounts():
            self._umount(mount)
            changed = True
        for path in filter(os.path.lexists, self._stale_files):
            self._remove_stale(path)
            changed = True
        changed = self._remove_exec_root() or changed
        return self._remove_cgroup() or changed

    def clear_after_imagined_end(self) -> None:
        """What `clear` would do after the daemon, which in check mode still runs, had ended by itself.

        dockerd takes its mounts and files away, but for the mount of its data root on itself after a crash or on top of
        a bind mount, and but for its exec root.
        """
        will_undo = os.path.exists(self._exec_root + "/unmount-on-shutdown")
        for mount in mounts.self_binds(self._data_root):
            if not (will_undo and self._data_root.endswith(mount.root)):
                self._umount(mount)
        self._remove_exec_root()
        self._remove_cgroup()

    def helpers(self, max_age: float = 0.0) -> List[Process]:
        """The containerd and the shims of the daemon, known by the address that they carry as an argument."""
        address = self._exec_root + "/containerd/containerd."
        return [
            process
            for process in self._machine.host.docker_processes(max_age)
            if os.path.basename(process.program).startswith("containerd")
            and any(word.startswith(address) for word in process.argv[1:])
            and process.runs()
        ]

    def frozen_groups(self) -> List[ControlGroup]:
        """The service's control group and that of its daemon, where they are frozen: then the daemon does not answer."""
        cgroup = self._machine.cgroup
        groups = [cgroup, *[cgroup.below(name) for name in cgroup.children() if _is_daemon(name)]]
        return [group for group in groups if group.is_frozen(inside=False)]

    def _containers(self) -> List[ControlGroup]:
        cgroup = self._machine.cgroup
        return [cgroup.below(name) for name in cgroup.children() if not _is_daemon(name)]

    def _end_survivors(self) -> None:
        """End the containers that outlived the daemon: their first process is asked, then all are killed."""
        ended = self._machine.outlook.ended
        containers = [group for group in self._containers() if not group.pids() <= ended]
        if containers or not self._run.check_mode:
            self._machine.cgroup.thaw(self._run)
        for process in filter(None, map(processes.find, (pid for group in containers for pid in group.pids()))):
            if processes.is_init(process.pid):
                self._run.do(["kill", "-TERM", str(process.pid)], partial(processes.send, process, signal.SIGTERM))
        if self._run.check_mode:
            self._imagine_end_of_helpers()
            return
        processes.wait_until(lambda: not any(group.pids() for group in containers), self._grace)
        left = self.survivors()
        if left:
            self._run.do(["kill", "-KILL", *[str(pid) for pid in left]], self._kill)
        if self.survivors():
            raise NodeError("processes of the service cannot be killed: %s" % processes.describe(self.survivors()))

    def _imagine_end_of_helpers(self) -> None:
        """Note the end of what the containers leave, when they heed the first signal: their shims."""
        pids = set(self.survivors()).difference(*[group.pids() for group in self._containers()])
        if pids:
            self._run.do(["kill", "-KILL", *[str(pid) for pid in sorted(pids)]], self._kill)

    def _kill(self) -> None:
        self._machine.cgroup.kill(processes.KILL_DEADLINE)
        for process in self.helpers():
            processes.send(process, signal.SIGKILL)
            processes.wait_gone(process, processes.KILL_DEADLINE)

    def _umount(self, mount: Mount) -> None:
        """Unmount one mount. What a process that was ended a moment ago still holds is waited for."""
        argv = ["umount", mount.point]

        def action() -> None:
            said: List[str] = []
            if not processes.wait_until(lambda: self._try(argv, said), _BUSY_DEADLINE, 0.1):
                raise NodeError("%s cannot be unmounted: %s" % (mount.point, said[-1]))

        self._run.do(argv, action)

    @staticmethod
    def _try(argv: Sequence[str], said: List[str]) -> bool:
        result = execute(argv, _UMOUNT_DEADLINE)
        said.append(result.stderr.strip())
        return result.rc == 0

    def _remove_stale(self, path: str) -> None:
        """Remove a file. A container that mounts the path before the file exists makes docker put a folder there."""
        if os.path.isdir(path) and not os.path.islink(path):
            self._run.do(["rmdir", path], partial(os.rmdir, path))
        else:
            self._run.do(["rm", "-f", path], partial(files.remove_file, path))

    def _remove_exec_root(self) -> bool:
        if not os.path.isdir(self._exec_root):
            return False
        self._run.do(["rm", "-rf", "--one-file-system", self._exec_root], partial(shutil.rmtree, self._exec_root))
        return True

    def _remove_cgroup(self) -> bool:
        """Remove the control group. A slice of systemd is stopped: then the name of the daemon's unit is free, too."""
        machine = self._machine
        if not machine.host.systemd:
            if not self._run.check_mode:
                machine.cgroup.remove()
            return False
        if not machine.cgroup.exists():
            return False
        self._run.change(["systemctl", "stop", machine.slice], _SLICE_DEADLINE)
        return True


def _is_daemon(name: str) -> bool:
    """Whether a control group inside the service's is that of the daemon."""
    return name == "daemon" or name.endswith(".service")
