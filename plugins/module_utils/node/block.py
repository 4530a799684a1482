# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Block devices: which one a path means, whether anybody uses it, and what lies on it."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import List, Tuple

from . import files, processes
from .commands import execute
from .errors import Undetermined

END = 1 << 20
"""How much of each end of a device must hold zeros, in bytes, for the device to count as empty."""
_READ_DEADLINE = 30.0
_NO_FILE_SYSTEMS = {
    "crypto_LUKS": "an encrypted volume (LUKS)",
    "LVM2_member": "a physical volume of LVM",
    "LVM1_member": "a physical volume of LVM",
    "DM_snapshot_cow": "a snapshot of LVM",
    "linux_raid_member": "a member of a RAID array",
    "drbd": "a DRBD device",
    "swap": "swap space",
    "dos": "a partition table (dos)",
    "gpt": "a partition table (gpt)",
    "PMBR": "a partition table (gpt)",
}


def number(path: str) -> Tuple[int, int]:
    """The major and minor number of a block device, the same for every path that leads to it.

    Raises Undetermined when there is no such path, or when it is no block device.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise Undetermined("%s: %s" % (path, error.strerror)) from error
    if not stat.S_ISBLK(facts.st_mode):
        raise Undetermined("%s is not a block device" % path)
    return os.major(facts.st_rdev), os.minor(facts.st_rdev)


def path_of(number: str) -> str:
    """The path of a block device below /dev by its number, such as 7:0. Raises Undetermined. Source: sysfs, uevent."""
    for line in (files.read_text("/sys/dev/block/%s/uevent" % number) or "").splitlines():
        if line.startswith("DEVNAME="):
            return "/dev/" + line.partition("=")[2]
    raise Undetermined("the kernel does not name the block device %s" % number)


def sequence(number: str) -> str:
    """What tells the disk with this number from those that had it before, or will; an empty string before Linux 5.15.

    Source: the kernel's ABI of sysfs, diskseq. A partition has that of its disk.
    """
    folder = "/sys/dev/block/" + number
    text = files.read_text(folder + "/diskseq") or files.read_text(folder + "/../diskseq")
    return (text or "").strip()


def is_free(path: str) -> bool:
    """Whether nobody uses a block device: no mount in any mount namespace, no swap, no device built on it.

    Source: open(2), O_EXCL on a block device. It is opened for reading: the claim is the same as with O_RDWR, works on a
    read-only device, and its end does not make udev read the device again, in the way of those who release it next.
    Raises Undetermined when the device cannot be opened for any other reason than its use.
    """
    number(path)
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise Undetermined("%s cannot be opened: %s" % (path, error.strerror)) from error
    return True


def wait_until_free(path: str, seconds: float) -> bool:
    """Wait until nobody uses a block device, at most `seconds`. Raises Undetermined as `is_free` does."""
    return processes.wait_until(lambda: is_free(path), seconds, 0.05)


def size(path: str) -> int:
    """The size of a block device in bytes. Raises Undetermined when it cannot be opened."""
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.seek(0, os.SEEK_END)
    except OSError as error:
        raise Undetermined("%s cannot be read: %s" % (path, error.strerror)) from error


def content(path: str) -> str:
    """What lies on a block device, in words; empty only when nothing is known to be there and both ends hold zeros.

    A device without a signature may still hold the data of a program that writes to it directly, so that bytes other than
    zero in its first or last MiB are "data of unknown kind". Source: wipefs(8). Raises Undetermined when it cannot be read.
    """
    found = [_in_words(kind) for kind in signatures(path)]
    if found:
        return " and ".join(sorted(set(found)))
    return "" if _ends_hold_zeros(path) else "data of unknown kind"


def signatures(path: str) -> List[str]:
    """The kinds of all signatures that libblkid finds on a device, such as `xfs` or `LVM2_member`. Raises Undetermined."""
    result = execute(["wipefs", "--no-act", "--json", path], _READ_DEADLINE)
    if result.rc != 0:
        raise Undetermined("wipefs --no-act %s ended with %d: %s" % (path, result.rc, result.stderr.strip()))
    try:
        answer = json.loads(result.stdout or '{"signatures": []}')
        return [str(signature["type"]) for signature in answer["signatures"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Undetermined("the answer of wipefs --json %s is not understood: %s" % (path, result.stdout)) from error


def _in_words(kind: str) -> str:
    if kind in _NO_FILE_SYSTEMS:
        return _NO_FILE_SYSTEMS[kind]
    return "%s %s file system" % ("an" if kind[:1] in "aeiox" else "a", kind)


def _ends_hold_zeros(path: str) -> bool:
    total = size(path)
    try:
        with open(path, "rb", buffering=0) as stream:
            return all(_holds_zeros(stream.fileno(), start, total) for start in (0, max(total - END, 0)))
    except OSError as error:
        raise Undetermined("%s cannot be read: %s" % (path, error.strerror)) from error


def _holds_zeros(descriptor: int, start: int, total: int) -> bool:
    """Whether one MiB from `start` holds only zeros; what cannot be read is not taken for zeros."""
    wanted = min(END, total - start)
    data = os.pread(descriptor, wanted, start)
    if len(data) != wanted:
        raise OSError(errno.EIO, "a read ended early")
    return not data.strip(b"\0")
