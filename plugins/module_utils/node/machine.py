# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""One node as the drivers of one service see it: where things are kept, and the way to change them."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import ContextManager, Dict, List, Tuple

from . import files, locks, processes, systemd
from .bridges import SubnetRegistry
from .cgroups import ControlGroup, hierarchies
from .commands import Runner
from .errors import Undetermined
from .outlook import Outlook
from .processes import Process
from .record import CLAIMS, Claims, Record, age, claims_in

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
    """What all services of one module call share: facts that are read once, and a short memory of running daemons.

    `docker_patience` is how many seconds a Docker daemon may take for an answer.
    """

    directories: Directories
    network_pool: str = "10.199.0.0/16"
    docker_patience: float = 5.0
    systemd: bool = field(default_factory=systemd.is_running)
    hierarchies: List[str] = field(default_factory=hierarchies)
    subnets: SubnetRegistry = field(init=False)
    _processes: List[Process] = field(default_factory=list)
    _processes_read: float = -1e9
    _claims: Dict[str, Tuple[files.Stamp, Claims]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.subnets = SubnetRegistry(os.path.join(self.directories.state, "subnets.json"), self.network_pool)

    def docker_processes(self, max_age: float = 0.0) -> List[Process]:
        """The processes of root that call themselves dockerd or containerd, as seen at most `max_age` seconds ago.

        Anybody can run a program of that name with arguments of a service; it is nothing to us.
        """
        with self._lock:
            if time.monotonic() - self._processes_read > max_age:
                named = processes.every(
                    lambda argv: bool(argv) and os.path.basename(argv[0]).startswith(("dockerd", "containerd"))
                )
                self._processes = [process for process in named if processes.is_root(process.pid)]
                self._processes_read = time.monotonic()
            return list(self._processes)

    def claims(self) -> List[Tuple[str, Claims]]:
        """What each service of the node claims to have started. A record is parsed again only when it was written again."""
        root = self.directories.state
        with self._lock:
            known = {}
            for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
                file = os.path.join(root, name, "record.json")
                stamp = files.stamp(file)
                entry = self._claims.get(name)
                if entry is None or entry[0] != stamp or None in entry:
                    entry = stamp, claims_in(file)
                known[name] = entry
            self._claims = known
            return [(name, claims) for name, (_stamp, claims) in known.items()]


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

    def locked(self, name: str) -> ContextManager[None]:
        """Hold something that all services of the node change. Raises NodeError when another action holds it for too long."""
        return locks.held(os.path.join(self.host.directories.run, "lock", "." + name), "the " + name)

    def owner_of(self, rid: str, what: str) -> str:
        """Which other service of this node has started something last, and the way out; empty when none has, or this one.

        Teams that know nothing of each other's definitions may name the same address, disk or file system in theirs. Raises
        Undetermined when a record cannot be read, and this service has no claim of its own.
        """
        own = self.record.get(CLAIMS, rid)
        ours = own if isinstance(own, dict) and own.get("what") == what else None
        for slug, claims in self.host.claims():
            if slug == self.slug:
                continue
            file = os.path.join(self.host.directories.state, slug, "record.json")
            if claims is None and not ours:
                raise Undetermined("whether another service has it cannot be told: %s cannot be read" % file)
            for claim in claims or []:
                if claim.get("what") == what and (not ours or age(claim) > age(ours)):
                    path = slug.replace("..", "/")
                    return "the service %s of this node: stop that, or, when it is no more, remove %s" % (path, file)
        return ""

    def path_problem(self) -> str:
        """Why the socket paths of the service would not work, or an empty string."""
        if len(self.socket) > SOCKET_PATH_MAX:
            return "the socket path %s has %d characters, %d is the most: choose a shorter run_dir" % (
                self.socket,
                len(self.socket),
                SOCKET_PATH_MAX,
            )
        if len(self.exec_root + _EXEC_ROOT_SUFFIX) > _EXEC_ROOT_MAX:
            return "the run folder %s is too long a path for the sockets below it: choose a shorter run_dir" % (
                self.host.directories.run
            )
        return ""

    def folder(self, path: str, mode: int, group: str = "root") -> None:
        """Make sure of a folder of root with this mode and group."""
        gid = files.group_id(group)
        if not files.folder_is(path, mode, gid):
            argv = ["install", "-d", "-m", "%04o" % mode, "-o", "root", "-g", group, path]
            self.run.do(argv, lambda: files.make_folder(path, mode, gid))
