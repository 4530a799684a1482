# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest file system in user space, so that a test can make one hang: an empty root folder, and nothing cached.

Source: fuse(4), and the structures of the kernel's fuse.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import subprocess
import sys
from typing import Iterator

from ansible_collections.dockyard.svc.tests.support import COLLECTIONS, kill

_HEADER = struct.Struct("<IIQQIIII")
_GETATTR, _STATFS, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _FORGET = 3, 17, 26, 27, 28, 29, 2
_NOT_IMPLEMENTED = 38


@contextlib.contextmanager
def serving(folder: str) -> Iterator[int]:
    """Mount one on a folder; the pid of its server."""
    argv = [sys.executable, "-m", "ansible_collections.dockyard.svc.tests.fuse", folder]
    server = subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, cwd="/", env={**os.environ, "PYTHONPATH": COLLECTIONS}
    )
    try:
        assert server.stdout and server.stdout.readline() == "ready\n"
        yield server.pid
    finally:
        kill(server.pid)
        server.wait()


def _serve(folder: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = "fd=%d,rootmode=40755,user_id=0,group_id=0" % device
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"fuse", folder.encode(), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")
    print("ready", flush=True)
    while True:
        request = os.read(device, 1 << 17)
        _length, operation, unique = _HEADER.unpack_from(request)[:3]
        if operation == _FORGET:
            continue
        answer = _answer(operation)
        error = 0 if answer is not None else -_NOT_IMPLEMENTED
        body = answer or b""
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def _answer(operation: int) -> bytes | None:
    """The body of the answer to a request, None for one that is not known here."""
    if operation == _INIT:
        return struct.pack("<IIIIHHIIHHI", 7, 31, 1 << 16, 0, 8, 6, 1 << 16, 1, 1, 0, 0) + bytes(28)
    if operation == _GETATTR:
        attributes = struct.pack(
            "<QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, 512, 0
        )
        return struct.pack("<QII", 0, 0, 0) + attributes
    if operation == _STATFS:
        return bytes(80)
    if operation == _OPENDIR:
        return bytes(16)
    return b"" if operation in (_READDIR, _RELEASEDIR) else None


if __name__ == "__main__":
    _serve(sys.argv[1])
