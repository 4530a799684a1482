# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Who uses a file system or a block device, in sentences for people. Nothing here is ever a reason to signal anybody.

All is read from /proc and /sys as text. No path of somebody else is looked up, because a look at a hung file system hangs,
too. What is found names the holder; that a device is free is proven by `block.is_free` alone.
"""

from __future__ import annotations

import glob
import os
import pwd
import stat
from typing import Dict, Iterator, List, Set, Tuple

from . import files, mounts
from .commands import execute
from .errors import NodeError
from .mounts import Mount

_LOOKED_AT = 2.0
_NO_FILES = ("/memfd:", "/[aio]", "/SYSV", "/anon_hugepage", "/dev/", "/proc/", "/sys/", "/i915", "/drm")
"""Beginnings of names of what lies on no block device."""


def of_device(major: int, minor: int, guess: bool = True) -> List[str]:
    """Who uses the block device with this number, or the file system without a device that has it in the table of mounts.

    Mounts in any mount namespace, processes, loop devices on its files, devices built on it, swap. When none of these is found,
    those who might be it, unless they are not to be guessed at. Raises Undetermined when not even the tables of mounts can be
    read.
    """
    view = _View()
    wanted = "%d:%d" % (major, minor)
    system = _systems_on(view, wanted)
    lines = [*_mounts(view, system), *_processes(view, system), *_loops(view, system), *_swap(view, system, wanted)]
    if major:
        lines += [*_built_on(wanted), *_openers(wanted)]
        for partition in _partitions(wanted):
            lines += of_device(*partition, guess=False)
    return lines or (_hints(view, wanted) if major and guess else [])


def of_mount(mount: Mount) -> List[str]:
    """Who uses one mount: processes, and loop devices on files below it. Other mounts of the same file system do not count."""
    view = _View()
    wanted = {mount.id}
    return [*_processes(view, wanted), *_loops(view, wanted)]


def who(pid: int) -> str:
    """A process for a message: its pid, what was called, and its user."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            words = stream.read(400).decode("utf-8", "replace").replace("\0", " ").strip()
        with open("/proc/%d/comm" % pid, encoding="utf-8", errors="replace") as stream:
            command = words[:80] or stream.read().strip()
        user = _user(os.stat("/proc/%d" % pid).st_uid)
    except OSError:
        return "pid %d" % pid
    return "pid %d (%s; user %s)" % (pid, command, user)


class _View:
    """The tables of mounts of all namespaces, read once, and all their mounts by id: an id is never used twice at a time."""

    def __init__(self) -> None:
        self.own = os.stat("/proc/self/ns/mnt").st_ino
        self.namespaces = mounts.namespaces()
        self.ids: Dict[int, Mount] = {mount.id: mount for _pid, table in self.namespaces.values() for mount in table}

    def table_of(self, pid: int) -> List[Mount]:
        """The mounts of the namespace that a process is in."""
        try:
            found = self.namespaces.get(os.stat("/proc/%d/ns/mnt" % pid).st_ino)
        except OSError:
            found = None
        return found[1] if found else []


def _systems_on(view: _View, device: str) -> Set[int]:
    """The ids of all mounts of the file system on a device, or with this number of its own."""
    return {
        mount.id
        for mount in view.ids.values()
        if mount.device == device or (mount.type == "btrfs" and device in mounts.device_numbers(mount))
    }


def _mounts(view: _View, wanted: Set[int]) -> Iterator[str]:
    for namespace, (pid, table) in sorted(view.namespaces.items(), key=lambda item: item[0] != view.own):
        points = [mount.point for mount in table if mount.id in wanted]
        if points:
            place = "" if namespace == view.own else " in the mount namespace of %s" % who(pid)
            yield "mounted on %s%s" % (" and ".join(sorted(set(points))), place)


def _processes(view: _View, wanted: Set[int]) -> Iterator[str]:
    if not wanted:
        return
    own = os.getpid()
    devices = {view.ids[number].device for number in wanted if number in view.ids}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if pid == own:
            continue
        use = _use(view, wanted, devices, pid)
        if use:
            yield "%s %s" % (who(pid), use)


def _use(view: _View, wanted: Set[int], devices: Set[str], pid: int) -> str:
    """How a process uses one of the wanted mounts, or an empty string."""
    table = view.table_of(pid)
    for link, words in (("cwd", "works in %s"), ("root", "has its root in %s"), ("exe", "runs the program %s")):
        path = _link("/proc/%d/%s" % (pid, link))
        if path and path != "/":
            mount = mounts.carrying(path, table)
            if mount is not None and mount.id in wanted:
                return words % path
    for number, mount_id in _open_files(pid):
        if mount_id in wanted:
            return "has %s open" % _link("/proc/%d/fd/%s" % (pid, number))
    for path in _mapped(pid, {_hexadecimal(device) for device in devices}):
        mount = mounts.carrying(path, table)
        if mount is None or mount.id in wanted:
            return "has %s mapped" % path
    return ""


def _open_files(pid: int) -> Iterator[Tuple[str, int]]:
    """The descriptors of a process, each with the id of the mount that its file was opened through. Source: proc(5), fdinfo."""
    folder = "/proc/%d/fdinfo" % pid
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        try:
            with open("%s/%s" % (folder, number), encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    if line.startswith("mnt_id:"):
                        yield number, int(line.split()[1])
                        break
        except OSError:
            continue


def _mapped(pid: int, devices: Set[str]) -> Iterator[str]:
    """The files that a process has mapped from the devices, which are written as in /proc/PID/maps."""
    try:
        with open("/proc/%d/maps" % pid, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                fields = line.split(None, 5)
                if len(fields) > 5 and fields[3] in devices:
                    yield fields[5].strip()
    except OSError:
        return


def _hexadecimal(device: str) -> str:
    major, _colon, minor = device.partition(":")
    return "%02x:%02x" % (int(major), int(minor))


def _loops(view: _View, wanted: Set[int]) -> Iterator[str]:
    """Loop devices whose file lies on a wanted mount."""
    table = view.namespaces[view.own][1] if view.own in view.namespaces else []
    for name in sorted(_entries("/sys/block")):
        file = files.kernel_text("/sys/block/%s/loop/backing_file" % name) if name.startswith("loop") else ""
        mount = mounts.carrying(file, table) if file else None
        if mount is not None and mount.id in wanted:
            yield "the loop device /dev/%s stands on the file %s" % (name, file)


def _swap(view: _View, wanted: Set[int], device: str) -> Iterator[str]:
    table = view.namespaces[view.own][1] if view.own in view.namespaces else []
    for line in files.kernel_text("/proc/swaps").splitlines()[1:]:
        path = line.split()[0]
        mount = mounts.carrying(path, table)
        if _number_of(path) == device or (mount is not None and mount.id in wanted and not path.startswith("/dev/")):
            yield "the node swaps to %s" % path


def _built_on(device: str) -> Iterator[str]:
    """Devices of the device mapper or of a RAID array that are built on a device."""
    for name in sorted(_entries("/sys/dev/block/%s/holders" % device)):
        title = files.kernel_text("/sys/block/%s/dm/name" % name)
        yield "the device %s is built on it" % ("/dev/mapper/" + title if title else "/dev/" + name)


def _openers(device: str) -> Iterator[str]:
    """Processes that have the device itself open, as a check or a copy of it has."""
    numbers: Dict[str, str] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        for number in _entries("/proc/%d/fd" % pid):
            path = _link("/proc/%d/fd/%s" % (pid, number))
            if path.startswith("/dev/") and pid != os.getpid():
                if path not in numbers:
                    numbers[path] = _number_of(path)
                if numbers[path] == device:
                    yield "%s has the device %s open" % (who(pid), path)
                    break


def _partitions(device: str) -> Iterator[Tuple[int, int]]:
    folder = "/sys/dev/block/" + device
    for name in sorted(_entries(folder)):
        if os.path.exists("%s/%s/partition" % (folder, name)):
            major, _colon, minor = files.kernel_text("%s/%s/dev" % (folder, name)).partition(":")
            if minor:
                yield int(major), int(minor)


def _hints(view: _View, device: str) -> List[str]:
    """What may hold a device that nothing was found on: what leaves no trace of the device itself.

    A file system that was frozen before it was unmounted lives on with nobody in it. Source: fsfreeze(8).
    """
    lines = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        for number, mount_id in _open_files(pid):
            path = _link("/proc/%d/fd/%s" % (pid, number))
            plain = path.startswith("/") and not path.startswith(_NO_FILES)
            if plain and mount_id not in view.ids and _may_lie_on("/proc/%d/fd/%s" % (pid, number), device):
                lines.append("%s has %s open on a file system that is mounted nowhere any more" % (who(pid), path))
                break
    for mount in view.ids.values():
        namespace = mount.root[len("mnt:[") : -1]
        if mount.type == "nsfs" and mount.root.startswith("mnt:[") and int(namespace) not in view.namespaces:
            lines.append("a mount namespace without processes is kept at %s" % mount.point)
    return lines or [
        "by whom cannot be seen from here; perhaps its file system was frozen: mount it on an empty folder, "
        "'fsfreeze --unfreeze' that, and unmount it"
    ]


def _may_lie_on(file: str, device: str) -> bool:
    """Whether an open file lies on a device; that cannot be ruled out when it does not answer, or for a btrfs."""
    try:
        result = execute(["stat", "--dereference", "--format=%d", file], _LOOKED_AT)
        number = int(result.stdout)
    except (NodeError, ValueError):
        return True
    if os.major(number):
        return "%d:%d" % (os.major(number), os.minor(number)) == device
    return any(files.kernel_text(path) == device for path in glob.glob("/sys/fs/btrfs/*-*/devices/*/dev"))


def _number_of(path: str) -> str:
    """The number of a block device below /dev, an empty string for everything else."""
    if not path.startswith("/dev/"):
        return ""
    try:
        facts = os.stat(path)
    except OSError:
        return ""
    return "%d:%d" % (os.major(facts.st_rdev), os.minor(facts.st_rdev)) if stat.S_ISBLK(facts.st_mode) else ""


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _entries(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
