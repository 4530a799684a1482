# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Files and folders that must be root's own, and writes that are whole or not there at all."""

from __future__ import annotations

import errno
import grp
import json
import os
import stat
import tempfile
from typing import Any, Optional, Tuple, Union

from .errors import NodeError, Undetermined

Stamp = Optional[Tuple[int, int, int]]


def check_root_owned(path: str) -> None:
    """Raise NodeError unless every existing part of `path` is a real folder that only root can change.

    A folder that another user may write, or a link on the way, would let that user choose what root writes to.
    A sticky folder such as /tmp is accepted: there nobody can replace what belongs to root.
    """
    part = "/"
    for name in path.strip("/").split("/"):
        part = os.path.join(part, name)
        try:
            facts = os.lstat(part)
        except FileNotFoundError:
            return
        except OSError as error:
            raise NodeError("%s cannot be used: %s" % (part, error.strerror)) from error
        if stat.S_ISLNK(facts.st_mode):
            raise NodeError("%s is a symbolic link: write the real path, %s" % (part, os.path.realpath(path)))
        if not stat.S_ISDIR(facts.st_mode):
            raise NodeError("%s is not a folder" % part)
        if facts.st_uid != 0:
            raise NodeError(
                "%s belongs to user %d and not to root: its owner could replace what is below" % (part, facts.st_uid)
            )
        if facts.st_mode & 0o022 and not facts.st_mode & stat.S_ISVTX:
            raise NodeError("%s may be written by others than root (mode %o)" % (part, stat.S_IMODE(facts.st_mode)))


def make_folder(path: str, mode: int, gid: int = 0) -> None:
    """Make a folder, and the ones above it, root's own; its mode and group are set through a descriptor.

    Raises NodeError when a part of the path could be changed by somebody else.
    """
    if not os.path.isabs(path):
        raise NodeError("%r is no absolute path" % path)
    check_root_owned(path)
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        make_folder(parent, 0o755)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise NodeError("%s cannot be made: %s" % (path, error.strerror)) from error
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != 0:
            raise NodeError("%s belongs to user %d and not to root" % (path, facts.st_uid))
        if facts.st_gid != gid:
            os.fchown(descriptor, 0, gid)
        if stat.S_IMODE(facts.st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def give(path: str, mode: int, gid: int) -> None:
    """Make a file root's own, with this mode and group. It must lie in a folder that only root can change."""
    os.chown(path, 0, gid)
    os.chmod(path, mode)


def folder_is(path: str, mode: int, gid: int = 0) -> bool:
    """Whether `path` is a folder of root with this mode and group."""
    try:
        facts = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (mode, 0, gid)


def group_id(name: str) -> int:
    """The id of a Unix group. Raises NodeError when this node has no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise NodeError(
            "there is no group %s on this node: create it with 'groupadd --system %s'" % (name, name)
        ) from None


def write_whole(path: str, content: Union[str, bytes], mode: int = 0o600) -> None:
    """Write a file so that it is there as a whole or as it was before, also after a power cut."""
    folder = os.path.dirname(path)
    descriptor, scratch = tempfile.mkstemp(dir=folder, prefix=".write-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a named pipe would keep its reader until somebody writes."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_text(path: str, limit: int = 1 << 20) -> Optional[str]:
    """The text of a small file, None when there is none. Raises Undetermined when it is there but cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", opener=_at_once) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Undetermined("%s cannot be read: it is not a regular file, move it away" % path)
            return stream.read(limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ENODEV):  # sysfs: the device went away meanwhile
            return None
        raise Undetermined("%s cannot be read: %s" % (path, error.strerror)) from error


def read_end(path: str, begin: int = 0, limit: int = 1 << 16) -> str:
    """What was added to a file behind position `begin`, at most its last `limit` bytes; empty when it cannot be read."""
    try:
        with open(path, "rb", opener=_at_once) as stream:
            facts = os.fstat(stream.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return ""
            stream.seek(max(begin, facts.st_size - limit))
            return stream.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""


def kernel_text(path: str) -> str:
    """What a file of the kernel says, without the space around it; an empty string when the file has gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def open_log(path: str) -> int:
    """A descriptor for appending to a log that only root can read. Raises OSError, also for a named pipe that nobody reads."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.open(path, flags, 0o600)


def stamp(path: str) -> Stamp:
    """What changes whenever `write_whole` writes a file. None when there is none, or it cannot be looked at."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def read_json(path: str) -> Any:
    """The value in a JSON file; None when there is no file or it holds no JSON (a torn write of another program)."""
    text = read_text(path, 1 << 24)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def remove_file(path: str) -> bool:
    """Remove a file; whether there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
