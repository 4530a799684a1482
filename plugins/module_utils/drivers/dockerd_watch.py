# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What is true of a private Docker daemon: who it is, whether it answers, what is wrong with it.

Its identity is its process: it listens on the service's socket (by the credentials that the kernel keeps) and carries the
service's data root, exec root and pid file in its arguments. A pid file alone proves nothing.
"""

from __future__ import annotations

import os
import time
from typing import Dict, List, Optional, Tuple

from ..definition.model import Definition
from ..node import files, mounts, processes
from ..node.docker_api import DockerApi
from ..node.errors import NodeError, Undetermined
from ..node.machine import Machine
from ..node.processes import Process
from .base import DOWN, UNDEF, UP, WARN, DaemonLook
from .leftovers import Leftovers

_KILLED_DEADLINE = 2.0
_SPACE_FLOOR = 256 << 20
_NEVER = -1e9


class DockerdWatch:
    """Looks at the daemon of one service, and changes nothing."""

    def __init__(self, service: Definition, machine: Machine, leftovers: Leftovers, pid_file: str):
        self._service = service
        self._machine = machine
        self._leftovers = leftovers
        self._pid_file = pid_file
        self._data_root: str = service.values["docker_data_dir"]
        self._socket = machine.socket
        self._seen = DaemonLook(UNDEF)
        self._seen_at = _NEVER
        self._trusted: Optional[Process] = None  # the process that has shown its data root
        self._api: Optional[DockerApi] = None

    def look(self, max_age: float = 0.0) -> DaemonLook:
        """The state of the daemon, as seen at most `max_age` seconds ago. Never raises."""
        if time.monotonic() - self._seen_at >= max_age:
            try:
                self._seen = self._look(max_age)
            except Undetermined as error:
                self._seen = DaemonLook(UNDEF, str(error))
            self._seen_at = time.monotonic()
        return self._seen

    def forget(self) -> None:
        """What was seen holds no longer: the daemon is being changed."""
        self._seen_at = _NEVER
        self._api = None

    def api(self) -> DockerApi:
        """A connection to the daemon. Raises Undetermined when it does not answer."""
        if self._api is None:
            self._api = DockerApi(self._socket, self._machine.host.docker_patience)
        return self._api

    def answers(self) -> bool:
        """Whether the service's daemon listens on its socket and answers, to wait for that."""
        try:
            owner = processes.socket_owner(self._socket)
            process = processes.find(owner) if owner else None
            return bool(process and self.is_ours(process) and self._ask(process).state == UP)
        except Undetermined:
            return False

    def process(self, max_age: float = 0.0) -> Optional[Process]:
        """The service's daemon among all that run, also when its socket is gone."""
        ours = [
            process
            for process in self._machine.host.docker_processes(max_age)
            if self.is_ours(process) and process.runs()
        ]
        return ours[0] if ours else None

    def is_ours(self, process: Process) -> bool:
        """Whether a process carries this service's roots in its arguments. Two daemons never share them."""
        return self._root_of(process) == self._data_root

    def _root_of(self, process: Process) -> Optional[str]:
        """The data root of a daemon of this service, by its present or an earlier definition; None for any other process."""
        pairs = dict(zip(process.argv, process.argv[1:]))
        own = {"--exec-root": self._machine.exec_root, "--pidfile": self._pid_file}
        if os.path.basename(process.program) != "dockerd" or any(pairs.get(name) != own[name] for name in own):
            return None
        return pairs.get("--data-root")

    def rival(self, max_age: float = 0.0) -> Optional[Process]:
        """Another docker daemon that works in our data root."""
        for other in self._machine.host.docker_processes(max_age):
            if os.path.basename(other.program) == "dockerd" and not self.is_ours(other) and self._shares_root(other):
                return other
        return None

    def _shares_root(self, other: Process) -> bool:
        """Whether another daemon works in our data root, by whatever name it calls it."""
        words = [part for word in other.argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
        root = dict(zip(words, words[1:])).get("--data-root", "")
        try:
            return os.path.samefile(root, self._data_root)
        except OSError:
            return os.path.realpath(root) == os.path.realpath(self._data_root)

    def problems(self) -> List[str]:
        """What is wrong with a daemon that is up: a socket that others may use, a data root that it cannot work in."""
        found = list(self.access_problems().values())
        if self._is_hidden():
            found.append(
                "the data root %s is not the one that the daemon works in: it was mounted over" % self._data_root
            )
        return found + self.data_root_problems()

    def access_problems(self) -> Dict[str, str]:
        """What keeps the group from the socket, or lets others at it, by the path that it is about."""
        group = self._service.values["docker_socket_group"]
        text = "%s is not root:%s %04o any more: a start makes it so"
        try:
            gid = files.group_id(group)
            run, folder = self._machine.host.directories.run, self._machine.socket_folder
            found = {} if os.stat(run).st_mode & 0o001 else {run: text % (run, "root", 0o711)}
            if not files.folder_is(folder, 0o750, gid):
                found[folder] = text % (folder, group, 0o750)
            facts = os.stat(self._socket)
            if (facts.st_mode & 0o777, facts.st_uid, facts.st_gid) != (0o660, 0, gid):
                found[self._socket] = text % (self._socket, group, 0o660)
        except (OSError, NodeError) as error:
            return {"": "the socket cannot be checked: %s" % error}
        return found

    def data_root_problems(self) -> List[str]:
        """What is wrong with the file system of the data root: it is full or read-only."""
        found = []
        try:
            space = os.statvfs(self._data_root)
        except OSError as error:
            return ["the data root %s cannot be checked: %s" % (self._data_root, error.strerror)]
        if mounts.is_read_only(self._data_root):
            found.append("the data root %s is read-only" % self._data_root)
        if space.f_bavail * 20 < space.f_blocks and space.f_bavail * space.f_frsize < _SPACE_FLOOR:
            found.append("the data root %s has %d MiB left" % (self._data_root, space.f_bavail * space.f_frsize >> 20))
        if space.f_files and space.f_favail * 20 < space.f_files:
            found.append("the data root %s has less than 5%% of its inodes left" % self._data_root)
        return found

    def _is_hidden(self) -> bool:
        """Whether the files that the daemon holds open in its data root are others than those that the node sees there."""
        process = self.process(1.0)
        try:
            return process is not None and any(
                not os.path.exists(path) or not os.path.samefile(link, path)
                for link, path in processes.open_files(process.pid)
                if path.startswith(self._data_root + "/") and path.endswith(".db")
            )
        except OSError:
            return False  # a file was closed meanwhile

    def _look(self, max_age: float) -> DaemonLook:
        problem = self._machine.path_problem()
        if problem:
            raise Undetermined(problem)
        owner, process = self._listener()
        if process and self.is_ours(process):
            return self._ask(process)
        mine = self.process(max_age)
        if owner:
            former = self._root_of(process) if process else None
            text = "the socket %s is held by %s, which is not the service's daemon"
            text %= self._socket, process or "pid %d" % owner
            if former:
                text = (
                    "its docker daemon (%s) works in %s and not in %s: stop the service with that docker_data_dir first"
                )
                text %= process, former, self._data_root
            return DaemonLook(UNDEF, text, mine.pid if mine else None)
        if mine:
            return DaemonLook(
                UNDEF, "the docker daemon runs (pid %d) but does not listen on %s" % (mine.pid, self._socket), mine.pid
            )
        survivors = self._leftovers.survivors(max_age)
        if survivors:
            return DaemonLook(
                WARN,
                "the docker daemon is dead, but %d of its processes live on" % len(survivors),
                None,
                tuple(survivors),
            )
        return DaemonLook(DOWN, "docker daemon is not running")

    def _listener(self) -> Tuple[Optional[int], Optional[Process]]:
        """Who listens on the socket: its pid and its process. One that is being killed keeps the socket for a moment."""
        end = time.monotonic() + _KILLED_DEADLINE
        while True:
            owner = processes.socket_owner(self._socket)
            process = processes.find(owner) if owner else None
            if not owner or (process and process.argv) or time.monotonic() > end:
                return owner, process
            time.sleep(0.02)

    def _ask(self, process: Process) -> DaemonLook:
        why = "it is stopped by a signal" if processes.is_halted(process.pid) else ""
        if not why and self._leftovers.frozen_groups():
            why = "its control group is frozen"
        if why:
            return DaemonLook(UNDEF, "the docker daemon (%s) does not answer: %s" % (process, why), process.pid)
        try:
            if process == self._trusted:
                self.api().ping()
                return DaemonLook(UP, "", process.pid)
            root = self.api().info().get("DockerRootDir", "")
        except Undetermined as error:
            self._api = None
            return DaemonLook(UNDEF, str(error), process.pid)
        if os.path.realpath(root) != os.path.realpath(self._data_root) and os.path.dirname(root) != self._data_root:
            return DaemonLook(UNDEF, "the docker daemon uses %s and not %s" % (root, self._data_root), process.pid)
        self._trusted = process
        return DaemonLook(UP, "", process.pid)
