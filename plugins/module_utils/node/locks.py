# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Short locks on what all services of a node change: the addresses of an interface, the loop devices."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from typing import Iterator

from . import processes
from .errors import NodeError

_DEADLINE = 30.0


def open_lock(path: str) -> int:
    """A descriptor of a lock file, which is made when there is none. Raises NodeError when something else is in its place."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise NodeError("the lock %s cannot be opened: %s" % (path, error.strerror)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NodeError("the lock %s cannot be used: it is not a regular file, move it away" % path)
    return descriptor


@contextmanager
def held(path: str, what: str) -> Iterator[None]:
    """Hold a lock file, a flock(2) that ends with the process. Raises NodeError when another action holds it for too long.

    No service has a name that begins with a dot, as these files have.
    """
    descriptor = open_lock(path)
    try:
        if not processes.wait_until(lambda: _try(descriptor), _DEADLINE):
            raise NodeError("%s are being changed by another action (lock %s), waited %g s" % (what, path, _DEADLINE))
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
