# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Mounts, read from the kernel's own table. Source: proc(5), /proc/PID/mountinfo."""

from __future__ import annotations

import glob
import os
import re
import stat
import threading
import time
from dataclasses import dataclass
from typing import Dict, List, Optional, Set, Tuple

from . import files
from .errors import Undetermined

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mount: its place, the part of the file system that is mounted there, and the device as major:minor.

    `id` and the `parent` that it is mounted on are numbers of the kernel, the same in every mount namespace; `options` are
    those of the mount, `super_options` those of the file system.
    """

    point: str
    root: str
    device: str
    type: str
    source: str
    id: int = 0
    parent: int = 0
    options: Tuple[str, ...] = ()
    super_options: Tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written through it. An ext4 that stopped itself says `emergency_ro` since Linux 6.15."""
        return "ro" in self.options or "ro" in self.super_options or "emergency_ro" in self.super_options


def table(pid: str = "self") -> List[Mount]:
    """The mounts that this process sees, or another one in its own mount namespace, in the kernel's order.

    Raises Undetermined when the table cannot be read, also when the process has ended.
    """
    try:
        return [_read(line) for line in _lines(pid)]
    except OSError as error:
        raise Undetermined("the table of mounts cannot be read: %s" % error.strerror) from error


Namespaces = Dict[int, Tuple[int, List[Mount]]]


def namespaces(max_age: float = 0.0) -> Namespaces:
    """Every mount namespace that has a process: by its number, the pid of a process in it, and its mounts.

    As seen at most `max_age` seconds ago. Raises Undetermined when not one can be read.
    """
    with _seen.lock:
        if not _seen.namespaces or time.monotonic() - _seen.when > max_age:
            _seen.namespaces = _read_namespaces()
            _seen.when = time.monotonic()
        return dict(_seen.namespaces)


class _Seen:
    """A short memory: many services ask the same within one call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.namespaces: Namespaces = {}
        self.when = 0.0


_seen = _Seen()


def _read_namespaces() -> Namespaces:
    """A process whose root is the root of its namespace is preferred: in a chroot it sees a part of the mounts only."""
    members: Dict[int, List[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            members.setdefault(os.stat("/proc/%s/ns/mnt" % name).st_ino, []).append(int(name))
        except OSError:
            continue
    found = {}
    for namespace, pids in members.items():
        for pid in sorted(pids, key=_in_chroot):
            try:
                found[namespace] = (pid, table(str(pid)))
                break
            except Undetermined:
                continue
    if not found:
        raise Undetermined("no table of mounts can be read in /proc")
    return found


def carrying(path: str, mounts: Optional[List[Mount]] = None) -> Optional[Mount]:
    """The mount on which a path lies, found as the kernel walks: from the root, always into what is mounted on top.

    `path` is absolute and free of links. None when the table shows no mount that carries it, as in a chroot.
    """
    mounts = table() if mounts is None else mounts
    ids = {mount.id for mount in mounts}
    children: Dict[int, List[Mount]] = {}
    for mount in mounts:
        is_root = mount.parent == mount.id or mount.parent not in ids
        if (path + "/").startswith(mount.point.rstrip("/") + "/"):
            children.setdefault(0 if is_root else mount.parent, []).append(mount)
    current: Optional[Mount] = None
    for _step in mounts:
        nexts = children.get(current.id if current else 0, [])
        if not nexts:
            break
        current = min(nexts, key=lambda mount: len(mount.point.rstrip("/")))
    return current


def on_top(point: str, mounts: Optional[List[Mount]] = None) -> Optional[Mount]:
    """The mount that is visible at a mount point, None when nothing is mounted there."""
    mount = carrying(point, mounts)
    return mount if mount is not None and mount.point == point else None


def below(folder: str) -> List[Mount]:
    """The mounts inside a folder, deepest and newest first; one on the folder itself is not among them."""
    inside = [mount for mount in table() if mount.point.startswith(folder.rstrip("/") + "/")]
    inside.reverse()
    return sorted(inside, key=lambda mount: -mount.point.count("/"))


def self_binds(folder: str) -> List[Mount]:
    """The mounts of a folder onto itself, which a killed dockerd leaves behind (moby issue 36107)."""
    mounts = table()
    holders = [
        mount for mount in mounts if mount.point != folder and (folder + "/").startswith(mount.point.rstrip("/") + "/")
    ]
    if not holders:
        return []
    holder = max(reversed(holders), key=lambda mount: len(mount.point))
    itself = os.path.join(holder.root, os.path.relpath(folder, holder.point))
    return [
        mount for mount in mounts if mount.point == folder and (mount.device, mount.root) == (holder.device, itself)
    ]


def device_numbers(mount: Mount) -> Set[str]:
    """The block devices that a mounted file system lies on, as major:minor.

    A btrfs may have several, and shows a number of its own in the table.
    """
    if mount.type != "btrfs":
        return {mount.device}
    own = _number_of(mount.source)
    for folder in glob.glob("/sys/fs/btrfs/*-*/devices"):
        members = {files.kernel_text("%s/%s/dev" % (folder, name)) for name in os.listdir(folder)}
        if own in members:
            return members
    return {own} - {""}


def is_read_only(folder: str) -> bool:
    """Whether nothing can be written to the file system of a folder. Raises OSError.

    An ext4 that has stopped itself after an error says so, since Linux 6.15, only as an option in the table of mounts.
    """
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return True
    device = os.stat(folder).st_dev
    wanted = "%d:%d" % (os.major(device), os.minor(device))
    lines = [line.split(" ") for line in _lines("self")]
    return any(fields[2] == wanted and "emergency_ro" in fields[-1].split(",") for fields in lines)


def _lines(pid: str) -> List[str]:
    """The lines of a table. A name may hold any byte: of those that separate something, the kernel escapes only its own."""
    with open("/proc/%s/mountinfo" % pid, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        return stream.read().split("\n")[:-1]


def _read(line: str) -> Mount:
    before, _dash, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    return Mount(
        point=_plain(fields[4]),
        root=_plain(fields[3]),
        device=fields[2],
        type=rest[0],
        source=_plain(rest[1]),
        id=int(fields[0]),
        parent=int(fields[1]),
        options=tuple(fields[5].split(",")),
        super_options=tuple(rest[2].split(",")) if len(rest) > 2 else (),
    )


def _number_of(path: str) -> str:
    """The number of a block device below /dev, an empty string for everything else."""
    try:
        facts = os.stat(path) if path.startswith("/dev/") else None
    except OSError:
        return ""
    return "%d:%d" % (os.major(facts.st_rdev), os.minor(facts.st_rdev)) if facts and stat.S_ISBLK(facts.st_mode) else ""


def _in_chroot(pid: int) -> bool:
    try:
        return os.readlink("/proc/%d/root" % pid) != "/"
    except OSError:
        return True


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
