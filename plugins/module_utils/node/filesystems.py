# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""File systems on block devices: their check before a mount, how they are made, and what their superblock says."""

from __future__ import annotations

import glob
import os
import struct
import subprocess
import time
from dataclasses import dataclass
from itertools import takewhile
from typing import Dict, List, Sequence, Tuple

from . import files
from .commands import ENVIRONMENT, Runner, execute, find_program
from .errors import CommandFailed, NodeError, Undetermined

_READ_DEADLINE = 30.0
_PACKAGES = {
    "e2fsck": "e2fsprogs",
    "mkfs.ext2": "e2fsprogs",
    "mkfs.ext3": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
    "mount.nfs": "nfs-common",
    "mount.nfs4": "nfs-common",
}
_E2FSCK = {
    1: "errors were corrected",
    2: "errors were corrected and the node must be rebooted",
    4: "errors were left uncorrected",
    8: "operational error",
    16: "usage error",
    32: "cancelled",
    128: "shared library error",
}
"""The bits of the exit code. Source: e2fsck(8)."""
_UDEV = "/run/udev/data"
_BY_UUID = "/dev/disk/by-uuid/"
_UUID_LENGTH = 36
_MMP = 0x0100  # of the features that a kernel must know to mount


# Before a mount


def check(run: Runner, rid: str, device: str, deadline: float) -> str:
    """Check an ext2, ext3 or ext4 and repair what can be repaired without a person; what was corrected, in words.

    `-p` replays the journal, and looks further only when the superblock asks for it. Raises NodeError for everything that
    is left: who repairs on with `-y` may lose what could be saved. The other types check themselves at the mount.
    """
    argv = ["e2fsck", "-p", device]
    try:
        result = run.change(argv, deadline, rid, accept=(0, 1))
    except CommandFailed as error:
        if error.rc is None:
            raise
        lines = [line for line in (error.stdout + error.stderr).splitlines() if line.strip()]
        guard = [line for line in lines if "MMP" in line]
        if guard:
            raise NodeError(
                "%s is not mounted: another node has it mounted, or was cut off while it had (%s). Stop the service there; "
                "when that node is proven to be dead, 'tune2fs -f -E clear_mmp %s'" % (device, guard[0].strip(), device)
            ) from error
        said = " | ".join(takewhile(lambda line: "superblock could not be read" not in line, lines))
        raise NodeError(
            "%s is not mounted, because its check ended with %d (%s): %s; have a look at it with 'e2fsck -n %s', save what "
            "matters, and repair it by hand" % (device, error.rc, exit_code_in_words(error.rc), said, device)
        ) from error
    return "%s: %s: %s" % (device, _E2FSCK[1], result.stdout.strip()) if result.rc else ""


def exit_code_in_words(rc: int) -> str:
    """The exit code of e2fsck, which is a sum of bits. A negative one is the signal that ended it."""
    if rc < 0:
        return "ended by signal %d" % -rc
    return " and ".join(words for bit, words in _E2FSCK.items() if rc & bit) or "unknown"


def require(*programs: str) -> None:
    """Raise NodeError for the first program that this node does not have, with the package that brings it."""
    for program in programs:
        if not find_program(program):
            package = _PACKAGES.get(program, "mount and util-linux")
            raise NodeError("%s is not installed on this node: install %s" % (program, package))


# What is on a device


@dataclass(frozen=True)
class Facts:
    """What the superblock says: the type, and the UUID in the shape of RFC 4122. Empty where there is none."""

    type: str = ""
    uuid: str = ""


def facts(device: str) -> Facts:
    """What lies on a device. Raises Undetermined when it cannot be read, or has marks of more than one thing.

    Source: blkid(8): exit code 2 means that nothing was found, 8 that the marks contradict each other.
    """
    result = execute(["blkid", "--probe", "--output", "export", device], _READ_DEADLINE)
    if result.rc == 2 and not result.stderr.strip() and os.access(device, os.R_OK):
        return Facts()
    if result.rc != 0:
        reason = "more than one thing is on it" if result.rc == 8 else result.stderr.strip()
        raise Undetermined("blkid --probe %s ended with %d: %s" % (device, result.rc, reason))
    found: Dict[str, str] = dict(line.partition("=")[::2] for line in result.stdout.splitlines())
    return Facts(found.get("TYPE", ""), found.get("UUID", "").lower())


def has_mmp(device: str) -> bool:
    """Whether an ext4 guards itself against a mount on a second node (multiple mount protection).

    Source: the layout of the ext4 superblock in the kernel's documentation. Raises Undetermined when there is none.
    """
    return bool(struct.unpack_from("<I", _superblock(device), 0x60)[0] & _MMP)


def _superblock(device: str) -> bytes:
    try:
        with open(device, "rb", buffering=0) as stream:
            block = os.pread(stream.fileno(), 1024, 1024)
    except OSError as error:
        raise Undetermined("%s cannot be read: %s" % (device, error.strerror)) from error
    if len(block) != 1024 or struct.unpack_from("<H", block, 0x38)[0] != 0xEF53:
        raise Undetermined("%s holds no ext4" % device)
    return block


def devices_with(tag: str) -> List[str]:
    """The devices with a tag such as `UUID=`; of several disks of one btrfs, and of devices built on each other, one.

    A link below /dev/disk tells one device only, whichever udev has seen last. Source: blkid(8): exit code 2 means not
    found. Nothing is written: libblkid is given no cache file. Raises Undetermined when it cannot be told.
    """
    name, _equals, value = tag.partition("=")
    if name == "UUID" and len(value) == _UUID_LENGTH:
        tag = "UUID=" + value.lower()
        device = _by_udev(value.lower())
        if device:
            return [device]
    argv = ["blkid", "--cache-file", "/dev/null", "--output", "export", "--match-token", tag]
    result = execute(argv, _READ_DEADLINE)
    if result.rc == 2 and not result.stderr.strip():
        return []
    if result.rc != 0:
        raise Undetermined("blkid --match-token %s ended with %d: %s" % (tag, result.rc, result.stderr.strip()))
    found = []
    disks: Dict[Tuple[str, str], str] = {}
    for text in result.stdout.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in text.splitlines())
        device, part = values.get("DEVNAME", ""), values.get("UUID_SUB", "")
        is_btrfs = values.get("TYPE") == "btrfs" and bool(part)
        key = (values.get("UUID", ""), part)
        if is_btrfs and key not in disks and any(uuid == key[0] for uuid, _part in disks):
            disks[key] = device
        elif device:
            disks[key] = device
            found.append(device)
    if not found:
        raise Undetermined("the answer of blkid --match-token %s is not understood: %s" % (tag, result.stdout))
    names = {os.path.basename(os.path.realpath(device)) for device in found}
    return [device for device in found if not names & set(_built_on(device))]


def _by_udev(uuid: str) -> str:
    """The device with a UUID, when udev knows one alone: that spares a look at every device of the node."""
    line = "E:ID_FS_UUID=%s" % uuid
    known = [path for path in glob.glob(_UDEV + "/b*") if line in (files.read_text(path) or "").splitlines()]
    link = _BY_UUID + uuid
    try:
        number = os.stat(link).st_rdev
    except OSError:
        return ""
    is_alone = known == ["%s/b%d:%d" % (_UDEV, os.major(number), os.minor(number))]
    return os.path.realpath(link) if is_alone else ""


def _built_on(device: str) -> List[str]:
    """The names of the devices that are built on a device, as of the device mapper. Source: sysfs, block/*/holders."""
    try:
        number = os.stat(device).st_rdev
        return os.listdir("/sys/dev/block/%d:%d/holders" % (os.major(number), os.minor(number)))
    except OSError:
        return []


# Making one


def mkfs_command(kind: str, device: str, uuid: str, options: Sequence[str], mmp: bool) -> List[str]:
    """The command that makes a file system with a given UUID. None of them overwrites what it recognises."""
    if kind == "xfs":
        return ["mkfs.xfs", "-q", "-m", "uuid=" + uuid, *options, device]
    if kind == "btrfs":
        return ["mkfs.btrfs", "-q", "-U", uuid, *options, device]
    words = _with_feature(list(options), "mmp") if mmp else list(options)
    return ["mkfs." + kind, "-q", "-U", uuid, *words, device]


def _with_feature(options: List[str], feature: str) -> List[str]:
    """Options of mke2fs with one more feature: of several -O the last one counts, so that it goes into the one given."""
    for place, word in enumerate(options):
        if word == "-O" and place + 1 < len(options):
            return [*options[: place + 1], "%s,%s" % (options[place + 1], feature), *options[place + 2 :]]
        if word.startswith("-O") and len(word) > 2:
            return [*options[:place], "%s,%s" % (word, feature), *options[place + 1 :]]
    return ["-O", feature, *options]


# A look that cannot hang


@dataclass(frozen=True)
class Root:
    """The root folder of a file system: its owner, group and mode."""

    uid: int
    gid: int
    mode: int


def look(folder: str, deadline: float, device: str = "") -> Root:
    """The root folder of a mounted file system, and whether its block device, if it has one, can be read.

    The root folder alone is no proof: the kernel has it in memory. Raises Undetermined when one of them does not answer
    in time, NodeError when it answers with an error.
    """
    probes = [_Probe("stat", "--format=%u %g %a", folder)]
    if device:
        probes.append(_Probe("dd", "if=" + device, "of=/dev/null", "bs=4096", "count=1", "iflag=direct", "status=none"))
    end = time.monotonic() + deadline
    answers = [probe.answer(folder, end, deadline) for probe in probes]
    try:
        uid, gid, mode = answers[0].split()
        return Root(int(uid), int(gid), int(mode, 8))
    except ValueError as error:
        raise Undetermined("the answer of stat %s is not understood: %s" % (folder, answers[0])) from error


def identity(folder: str, deadline: float) -> Tuple[str, str]:
    """What tells a folder from another: the number of its inode, and that of its file system as statfs(2) gives it.

    A tmpfs has a number of its own since Linux 5.13, and zero before. Raises as `look` does.
    """
    probes = [_Probe("stat", "--format=%i", folder), _Probe("stat", "--file-system", "--format=%i", folder)]
    end = time.monotonic() + deadline
    inode, system = [probe.answer(folder, end, deadline) for probe in probes]
    return inode, system


class _Probe:
    """A child process that looks at what may hang.

    One that waits for a device cannot be ended, so that it is left behind: it holds no pipe of ours.
    """

    def __init__(self, *argv: str):
        self._said = os.memfd_create(argv[0])
        try:
            self._child = subprocess.Popen(
                argv,
                env=dict(ENVIRONMENT),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            os.close(self._said)
            raise Undetermined("%s cannot be run: %s" % (argv[0], error)) from error

    def answer(self, folder: str, end: float, deadline: float) -> str:
        """What the child has said, at the latest when the monotonic clock shows `end`, which is `deadline` from its start."""
        try:
            rc = self._child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise Undetermined(
                "%s does not answer within %g s: its storage hangs; see 'dmesg' and the processes in state D"
                % (folder, deadline)
            ) from None
        else:
            text = os.pread(self._said, 4096, 0).decode("utf-8", "replace").strip()
        finally:
            os.close(self._said)
        if rc != 0:
            raise NodeError("the file system answers with an error: %s" % text.rpartition(": ")[2])
        return text
