# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Loop devices, known by the file behind them: its device and inode, because a path may be renamed, linked or replaced.

Loop devices belong to the whole machine, whatever namespaces there are. The kernel tells in sysfs which are in use;
losetup(8) tells which file each has. That takes some milliseconds, and stays true as long as the file is attached: what it
has said of an attachment is not asked again.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple

from . import clock, files
from .commands import execute
from .errors import NodeError, Undetermined

_COLUMNS = "NAME,BACK-INO,BACK-MAJ:MIN"
_SECTOR = 512  # bytes, whatever the device's own
_DEADLINE = 30.0
_READS = 3
_PAUSE = 0.1
_NAME = re.compile(r"loop[0-9]+")
_SYSFS = "/sys/block"


@dataclass(frozen=True)
class Identity:
    """A file, whatever its name: the device of its file system as (major, minor), and its inode."""

    device: Tuple[int, int]
    inode: int


@dataclass(frozen=True)
class Loop:
    """A loop device in use, and the file that it has. What of it may change at any time is read when it is asked for."""

    device: str
    identity: Identity

    @property
    def file(self) -> str:
        """The path of the file, with a remark when it was removed."""
        return self._now("loop/backing_file")

    @property
    def read_only(self) -> bool:
        return self._now("ro") == "1"

    @property
    def vanishes(self) -> bool:
        """It was detached while somebody had it open, and goes away with the last of them."""
        return self._now("loop/autoclear") == "1"

    @property
    def whole(self) -> bool:
        """It shows all of the file."""
        return {self._now("loop/offset"), self._now("loop/sizelimit")} <= {"0", ""}

    def _now(self, attribute: str) -> str:
        """What sysfs says, an empty string for a device that is not in use any more. Raises Undetermined."""
        return (files.read_text("%s/%s/%s" % (_SYSFS, os.path.basename(self.device), attribute)) or "").rstrip("\n")


_known: Dict[str, Loop] = {}
"""The loop devices that losetup has told of, each by its attachment."""


def identity_of(file: str) -> Optional[Identity]:
    """What tells a file from all others, None when there is no such file. Raises Undetermined."""
    try:
        facts = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Undetermined("%s cannot be looked at: %s" % (file, error.strerror)) from error
    return Identity((os.major(facts.st_dev), os.minor(facts.st_dev)), facts.st_ino)


def check_file(file: str) -> None:
    """Raise NodeError unless this is a regular file that only root can change. Its folder is checked elsewhere."""
    try:
        facts = os.lstat(file)
    except FileNotFoundError:
        raise NodeError("there is no file %s" % file) from None
    except OSError as error:
        raise NodeError("%s cannot be used: %s" % (file, error.strerror)) from error
    if stat.S_ISLNK(facts.st_mode):
        raise NodeError("%s is a symbolic link: write the real path, %s" % (file, os.path.realpath(file)))
    if not stat.S_ISREG(facts.st_mode):
        raise NodeError("%s is not a regular file" % file)
    if facts.st_uid != 0:
        raise NodeError("%s belongs to user %d and not to root: its owner could change the disk" % (file, facts.st_uid))
    if facts.st_mode & 0o022:
        raise NodeError("%s may be written by others than root (mode %o)" % (file, stat.S_IMODE(facts.st_mode)))


def device_of(file: str) -> str:
    """The loop device of a whole file such as /dev/loop0, an empty string when it has none.

    Raises NodeError when it has several, Undetermined when it cannot be told.
    """
    identity = identity_of(file)
    found = [loop for loop in of_identity(identity) if loop.whole] if identity else []
    if len(found) > 1:
        names = ", ".join(loop.device for loop in found)
        raise NodeError("%s has several loop devices (%s): detach all but one with 'losetup --detach'" % (file, names))
    return found[0].device if found else ""


def of_identity(identity: Identity) -> List[Loop]:
    """The loop devices of a file. Raises Undetermined."""
    return [loop for loop in table() if loop.identity == identity]


def twins(device: str) -> List[str]:
    """The other loop devices of the file that a loop device stands on: they are the same storage. Raises Undetermined."""
    path = os.path.realpath(device)
    if not _NAME.fullmatch(os.path.basename(path)):
        return []
    known = table()
    own = {loop.identity for loop in known if loop.device == path}
    return [loop.device for loop in known if loop.identity in own and loop.device != path]


def table() -> List[Loop]:
    """Every loop device in use. Raises Undetermined when one of them cannot be read."""
    for attempt in range(_READS):
        if attempt:
            time.sleep(_PAUSE)
        before = _attachments()
        if all(number in _known for number in before.values()):
            return [_known[number] for number in before.values()]
        found = {os.path.basename(loop.device): loop for loop in _ask_losetup()}
        after = _attachments()
        if all(name in found or name not in after for name in before):
            # One that has got another file meanwhile may have been told of before or after that.
            same = {name: number for name, number in before.items() if number and after.get(name) == number}
            _known.update({number: found[name] for name, number in same.items()})
            return list(found.values())
    missing = sorted(before.keys() & after.keys() - found.keys())
    raise Undetermined("losetup does not tell which file %s has" % ", ".join(missing))


def attachment(device: str) -> str:
    """What tells one attachment of a file to a device from every other: the boot, and the number that the kernel counts up.

    An empty string before Linux 5.15, which has no such number.
    """
    boot, number = clock.boot_id(), _number(os.path.basename(device))
    return "%s %s" % (boot, number) if boot and number else ""


def _number(name: str) -> str:
    """The number of the attachment, since the boot. An empty string before Linux 5.15."""
    return (files.read_text("%s/%s/diskseq" % (_SYSFS, name)) or "").strip()


def size(device: str) -> int:
    """How many bytes a loop device has; 0 for one that is not in use. Does not open it: that could keep it from going away."""
    sectors = files.read_text("%s/%s/size" % (_SYSFS, os.path.basename(device)))
    return int(sectors or 0) * _SECTOR


def next_free(taken: Iterable[str] = (), released: Iterable[str] = ()) -> str:
    """The device that 'losetup --find' would choose, without making it as losetup would.

    `taken` are those that would be in use by then, `released` those that would not be any more.
    """
    busy = {"/dev/" + name for name in _attachments()}.difference(released) | set(taken)
    number = 0
    while "/dev/loop%d" % number in busy:
        number += 1
    return "/dev/loop%d" % number


def _attachments() -> Dict[str, str]:
    """The names of the loop devices that have a file, and the number of each attachment."""
    try:
        names = os.listdir(_SYSFS)
    except OSError as error:
        raise Undetermined("%s cannot be read: %s" % (_SYSFS, error.strerror)) from error
    found = {name for name in names if _NAME.fullmatch(name) and os.path.exists(os.path.join(_SYSFS, name, "loop"))}
    return {name: _number(name) for name in sorted(found)}


def _ask_losetup() -> List[Loop]:
    argv = ["losetup", "--list", "--json", "--output", _COLUMNS]
    try:
        result = execute(argv, _DEADLINE)
    except NodeError as error:
        raise Undetermined("the loop devices cannot be read: %s" % error) from error
    if result.rc != 0:
        raise Undetermined("the loop devices cannot be read: losetup ended with %d: %s" % (result.rc, result.stderr))
    return parse(result.stdout)


def parse(text: str) -> List[Loop]:
    """What 'losetup --list --json' says. A device whose file it cannot tell is left out. Raises Undetermined."""
    if not text.strip():
        return []
    try:
        rows = json.loads(text)["loopdevices"]
        return [_read(row) for row in rows if row["back-ino"] and row["back-maj:min"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undetermined("the output of losetup is not understood: %r" % text[:200]) from error


def _read(row: Dict[str, object]) -> Loop:
    major, _colon, minor = str(row["back-maj:min"]).strip().partition(":")
    return Loop(str(row["name"]), Identity((int(major), int(minor)), int(str(row["back-ino"]))))
