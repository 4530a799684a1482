# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""One action at a time on a service of a node, whoever asks for it.

The lock is a flock(2) on a file that only root can reach: it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator

from ..node import files, locks, processes
from ..node.errors import NodeError
from ..node.machine import Machine


def _path(machine: Machine) -> str:
    return os.path.join(machine.host.directories.run, "lock", machine.slug)


@contextmanager
def locked(machine: Machine, action: str, timeout: float) -> Iterator[None]:
    """Hold the lock of a service. Raises NodeError, with the holder, when it is not free within `timeout` seconds."""
    if machine.run.check_mode:
        yield
        return
    machine.prepare()
    path = _path(machine)
    descriptor = locks.open_lock(path)
    try:
        if not processes.wait_until(lambda: _try(descriptor), timeout, 0.1):
            holder = _holder(path)
            raise NodeError(
                "another action holds the service: %s, since %s (pid %s); waited %g s (lock_timeout)"
                % (holder.get("action", "unknown"), holder.get("since", "?"), holder.get("pid", "?"), timeout)
            )
        machine.record.read()
        note = {"action": action, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # the note is for people: a full disk must not keep a service from being stopped
            os.pwrite(descriptor, json.dumps(note).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def current_action(machine: Machine) -> str:
    """The action that holds the service at this moment, an empty string when none does. Takes nothing."""
    path = _path(machine)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if _try(descriptor, fcntl.LOCK_SH):
            return ""
    finally:
        os.close(descriptor)
    return str(_holder(path).get("action", "unknown"))


def _try(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: str) -> Dict[str, Any]:
    note = files.read_json(path)
    return note if isinstance(note, dict) else {}
