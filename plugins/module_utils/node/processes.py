# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Processes: who they are, and how to end exactly the one that was meant."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from .errors import Undetermined

KILL_DEADLINE = 10.0
"""How long, in seconds, what was killed may take to end. One in the kernel's state D may never do so."""


@dataclass(frozen=True)
class Process:
    """One process. Its pid alone means little, because pids are used again: `born` (clock ticks since boot) tells it apart."""

    pid: int
    born: int
    argv: Tuple[str, ...]
    program: str

    def runs(self) -> bool:
        """Whether this very process still runs. A zombie does not, once all its threads have ended."""
        now = _stat(self.pid)
        return now is not None and now == (self.born, True)

    def __str__(self) -> str:
        return "pid %d (%s)" % (self.pid, os.path.basename(self.program) or (self.argv or ("?",))[0])


def find(pid: int) -> Optional[Process]:
    """The process with this pid, None when there is none or it has ended. One whose first thread has ended shows no words."""
    before = _stat(pid)
    if before is None or not before[1]:
        return None
    program = ""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            argv = tuple(word.decode("utf-8", "replace") for word in stream.read().split(b"\0")[:-1])
        with suppress(FileNotFoundError):
            program = os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return None
    process = Process(
        pid, before[0], argv, program[: -len(" (deleted)")] if program.endswith(" (deleted)") else program
    )
    return process if process.runs() else None


def describe(pids: Sequence[int], limit: int = 5) -> str:
    """Processes for a message: pid and program, the first few of them."""
    return ", ".join(str(find(pid) or "pid %d" % pid) for pid in pids[:limit]) + (", ..." if len(pids) > limit else "")


def every(wanted: Callable[[Tuple[str, ...]], bool]) -> List[Process]:
    """The processes of this node whose command line `wanted` accepts.

    Those of another pid namespace are left out: a system container on this machine may be a node itself, with services of
    the same names, and the same command lines are then somebody else's.
    """
    found = []
    for pid in _pids():
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as stream:
                line = stream.read()
        except OSError:
            continue
        if line and wanted(tuple(word.decode("utf-8", "replace") for word in line.split(b"\0")[:-1])):
            process = find(pid)
            if process and _namespace(str(pid)) == _namespace("self"):
                found.append(process)
    return found


def _namespace(pid: str) -> Optional[int]:
    """The pid namespace of a process, None when it has ended."""
    try:
        return os.stat("/proc/%s/ns/pid" % pid).st_ino
    except OSError:
        return None


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def runs(pid: int) -> bool:
    """Whether a process of this pid runs. A zombie does not, once all its threads have ended."""
    return (_stat(pid) or (0, False))[1]


def _stat(pid: int) -> Optional[Tuple[int, bool]]:
    """When a process was born, and whether it runs.

    Its first thread may end before the others, and is a zombie until they have: as long as one is there, so are the files,
    mounts and control groups of the process. Source: proc(5), num_threads.
    """
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    state, threads, born = fields[0], int(fields[17]), int(fields[19])
    return born, threads > 1 if state == b"Z" else state not in (b"X", b"x")


def state(pid: int) -> str:
    """The state letter of proc(5) (`T` is stopped, `D` waits for a device), or an empty string."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            return stream.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""


def is_halted(pid: int) -> bool:
    """Whether a process is stopped by a signal or a debugger."""
    return state(pid) in ("T", "t")


def is_root(pid: int) -> bool:
    """Whether a process is root's, by its real or effective user."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as stream:
            return any(line.startswith("Uid:") and "0" in line.split()[1:3] for line in stream)
    except OSError:
        return False


def open_files(pid: int) -> List[Tuple[str, str]]:
    """The open files of a process: the link in /proc that leads to each, and its path. Raises OSError when it has ended."""
    links = ["/proc/%d/fd/%s" % (pid, name) for name in os.listdir("/proc/%d/fd" % pid)]
    return [(link, os.readlink(link)) for link in links]


def is_init(pid: int) -> bool:
    """Whether a process is the first one of its pid namespace, as the main process of a container is."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as stream:
            return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in stream)
    except OSError:
        return False


def send(process: Process, number: int) -> None:
    """Signal exactly this process. Nothing happens when it has ended, even if its pid was given to another one."""
    opener = getattr(os, "pidfd_open", None)
    sender = getattr(signal, "pidfd_send_signal", None)
    try:
        if opener is None or sender is None:  # Python 3.8
            if process.runs():
                os.kill(process.pid, number)
            return
        descriptor = opener(process.pid)
        try:
            if process.runs():
                sender(descriptor, number)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise


def wait_until(condition: Callable[[], bool], deadline: float, interval: float = 0.02) -> bool:
    """Wait until `condition` holds, at most `deadline` seconds. A child that ends meanwhile leaves no zombie."""
    end = time.monotonic() + deadline
    while True:
        if condition():
            return True
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(interval, left))


def wait_gone(process: Process, deadline: float) -> bool:
    """Wait until a process has ended, at most `deadline` seconds."""
    opener = getattr(os, "pidfd_open", None)
    if opener is None:  # Python 3.8
        return wait_until(lambda: not process.runs(), deadline)
    try:
        descriptor = opener(process.pid)
    except OSError:
        return not process.runs()
    try:
        if process.runs():
            select.select([descriptor], [], [], max(deadline, 0))
    finally:
        os.close(descriptor)
    _reap(process.pid)
    return not process.runs()


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def socket_owner(path: str, deadline: float = 2.0) -> Optional[int]:
    """The pid that listens on a Unix socket, None when nobody does.

    Source: SO_PEERCRED, unix(7): of a listening socket the kernel remembers who called listen(2).
    Raises Undetermined when the socket does not answer in time, or the pid cannot be seen from here.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
        client.settimeout(deadline)
        try:
            client.connect(path)
            pid: int = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ENOTSOCK, errno.EPROTOTYPE):
                return None
            raise Undetermined("%s: %s" % (path, error.strerror or error)) from error
    if pid <= 0:
        raise Undetermined("%s is held by a process of another pid namespace" % path)
    return pid
