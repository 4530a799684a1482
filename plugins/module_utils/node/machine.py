# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""One node as the drivers of one service see it: where things are kept, and the way to change them."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Tuple

from . import files, processes, systemd
from .bridges import SubnetRegistry
from .cgroups import ControlGroup, hierarchies
from .commands import Runner
from .errors import NodeError
from .outlook import Outlook
from .processes import Process

SOCKET_PATH_MAX = 107  # unix(7): sun_path holds 108 bytes with the final zero
_EXEC_ROOT_SUFFIX = "/containerd/containerd.sock.ttrpc"
_EXEC_ROOT_MAX = 104


@dataclass(frozen=True)
class Directories:
    """Where the collection keeps what it must remember (`state`), what ends with a boot (`run`), and its logs (`log`)."""

    state: str = "/var/lib/dockyard"
    run: str = "/run/dockyard"
    log: str = "/var/log/dockyard"


@dataclass
class Host:
    """What all services of one module call share: facts that are read once, and a short memory of running daemons."""

    directories: Directories
    network_pool: str = "10.199.0.0/16"
    systemd: bool = field(default_factory=systemd.is_running)
    hierarchies: List[str] = field(default_factory=hierarchies)
    subnets: SubnetRegistry = field(init=False)
    _processes: List[Process] = field(default_factory=list)
    _processes_read: float = -1e9
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.subnets = SubnetRegistry(os.path.join(self.directories.state, "subnets.json"), self.network_pool)

    def docker_processes(self, max_age: float = 0.0) -> List[Process]:
        """The processes that call themselves dockerd or containerd, as seen at most `max_age` seconds ago."""
        with self._lock:
            if time.monotonic() - self._processes_read > max_age:
                self._processes = processes.every(
                    lambda argv: bool(argv) and os.path.basename(argv[0]).startswith(("dockerd", "containerd"))
                )
                self._processes_read = time.monotonic()
            return list(self._processes)


class Record:
    """What is remembered of one service: the ids of its containers, and its daemon. Small, whole, and never believed alone."""

    def __init__(self, file: str, writable: bool):
        self._file = file
        self._writable = writable
        self._lock = threading.Lock()
        self._value: Dict[str, Any] = {}
        self.read()

    def read(self) -> None:
        """Read it again: whoever has waited for the lock of the service knows only what was true before."""
        value = files.read_json(self._file)
        self._value = value if isinstance(value, dict) else {}

    def get(self, section: str, key: str) -> Any:
        """A remembered value, None when there is none."""
        found = self._value.get(section)
        return found.get(key) if isinstance(found, dict) else None

    def keys(self, section: str) -> List[str]:
        """Of what something is remembered in a section."""
        found = self._value.get(section)
        return sorted(found) if isinstance(found, dict) else []

    def put(self, section: str, key: str, value: Any) -> None:
        """Remember a value, or forget it when it is None. Nothing is written when nothing changes.

        Raises NodeError when a value cannot be written, so that nothing is begun of which no trace would be left.
        """
        with self._lock:
            if self.get(section, key) == value:
                return
            entries = {**(self._value.get(section) or {}), key: value}
            kept = {name: entry for name, entry in entries.items() if entry is not None}
            now = {**self._value, section: kept}
            if self._writable:
                try:
                    files.make_folder(os.path.dirname(self._file), 0o700)
                    files.write_whole(self._file, json.dumps(now, indent=1, sort_keys=True) + "\n")
                except OSError as error:
                    # A full disk keeps nothing from being released: what is stale is not believed.
                    if value is not None:
                        raise NodeError("%s cannot be written: %s" % (self._file, error.strerror)) from error
            self._value = now


class Machine:
    """The node, for one service. `slug` and `short_id` name what belongs to the service."""

    def __init__(self, host: Host, run: Runner, slug: str, short_id: str):
        self.host = host
        self.run = run
        self.slug = slug
        self.short_id = short_id
        directories = host.directories
        self.state_folder = os.path.join(directories.state, slug)
        self.socket_folder = os.path.join(directories.run, slug)
        self.socket = os.path.join(self.socket_folder, "docker.sock")
        self.private_folder = os.path.join(directories.run, "private", short_id)
        self.exec_root = os.path.join(directories.run, "x", short_id)
        self.docker_config = os.path.join(self.state_folder, "docker")
        self.daemon_log = os.path.join(directories.log, slug + ".dockerd.log")
        self.record = Record(os.path.join(self.state_folder, "record.json"), not run.check_mode)
        self.subnets = host.subnets
        self.outlook = Outlook()
        self.slice = "dockyard-%s.slice" % short_id
        group = systemd.slice_path(self.slice) if host.systemd else "/dockyard/" + short_id
        self.cgroup = ControlGroup(group, host.hierarchies)

    def prepare(self) -> None:
        """Make the folders of the collection and of the service, for nothing but its own books. Check mode makes none."""
        if self.run.check_mode:
            return
        directories = self.host.directories
        for path, mode in (
            (directories.run, 0o711),
            (directories.run + "/x", 0o700),
            (directories.run + "/private", 0o700),
            (directories.run + "/lock", 0o700),
            (directories.state, 0o711),
            (directories.log, 0o750),
            (self.private_folder, 0o700),
            (self.state_folder, 0o700),
        ):
            if not files.folder_is(path, mode):
                files.make_folder(path, mode)

    def owner_of(self, section: str, is_it: Callable[[Any], bool]) -> str:
        """Which other service of this node remembers something in a section, and the way out; empty when none does.

        Teams that know nothing of each other's definitions may name the same address, disk or file system in theirs.
        """
        for file, entries in self._others(section):
            if any(is_it(entry) for entry in entries.values()):
                path = os.path.basename(os.path.dirname(file)).replace("..", "/")
                return "the service %s of this node: stop that, or, when it is no more, remove %s" % (path, file)
        return ""

    def _others(self, section: str) -> Iterator[Tuple[str, Dict[str, Any]]]:
        """The records of the other services, and what they have in a section."""
        root = self.host.directories.state
        for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
            file = os.path.join(root, name, "record.json")
            value = files.read_json(file) if name != self.slug else None
            entries = value.get(section) if isinstance(value, dict) else None
            if isinstance(entries, dict):
                yield file, entries

    def path_problem(self) -> str:
        """Why the socket paths of the service would not work, or an empty string."""
        if len(self.socket) > SOCKET_PATH_MAX:
            return "the socket path %s has %d characters; %d is the most" % (
                self.socket,
                len(self.socket),
                SOCKET_PATH_MAX,
            )
        if len(self.exec_root + _EXEC_ROOT_SUFFIX) > _EXEC_ROOT_MAX:
            return "the run folder %s is too long a path for the sockets below it" % self.host.directories.run
        return ""

    def folder(self, path: str, mode: int, group: str = "root") -> None:
        """Make sure of a folder of root with this mode and group."""
        gid = files.group_id(group)
        if not files.folder_is(path, mode, gid):
            argv = ["install", "-d", "-m", "%04o" % mode, "-o", "root", "-g", group, path]
            self.run.do(argv, lambda: files.make_folder(path, mode, gid))
