# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Mounts, read from the kernel's own table. Source: proc(5), /proc/PID/mountinfo."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List

from .errors import Undetermined

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mount: its place, the part of the file system that is mounted there, and the device as major:minor."""

    point: str
    root: str
    device: str
    type: str
    source: str


def table() -> List[Mount]:
    """The mounts that this process sees, in the order in which they were made."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            return [_read(line) for line in stream]
    except OSError as error:
        raise Undetermined("the table of mounts cannot be read: %s" % error.strerror) from error


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


def is_read_only(folder: str) -> bool:
    """Whether nothing can be written to the file system of a folder. Raises OSError.

    An ext4 that has stopped itself after an error says so, since Linux 6.15, only as an option in the table of mounts.
    """
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return True
    device = os.stat(folder).st_dev
    wanted = "%d:%d" % (os.major(device), os.minor(device))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        lines = [line.split() for line in stream]
    return any(fields[2] == wanted and "emergency_ro" in fields[-1].split(",") for fields in lines)


def _read(line: str) -> Mount:
    before, _dash, after = line.partition(" - ")
    fields, rest = before.split(), after.split()
    return Mount(
        point=_plain(fields[4]), root=_plain(fields[3]), device=fields[2], type=rest[0], source=_plain(rest[1])
    )


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)
