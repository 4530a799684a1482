# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The one way to change the machine: commands with a deadline, recorded, and left out in check mode."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Mapping, Optional, Sequence

from .errors import CommandFailed, CommandLate, NodeError
from .journal import Event, Journal

_LAST_WORDS = 2.0
"""How long, in seconds, a killed command may take to end. One in the kernel's state D may never do so."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
"""All that a command inherits: no DOCKER_HOST, no LVM_*, no proxy of the person who happens to be logged in."""


@dataclass(frozen=True)
class Result:
    """How a command ended. In check mode a change has `rc` 0 and no output."""

    rc: int
    stdout: str = ""
    stderr: str = ""


class Runner:
    """Runs the commands of one service and notes them in its journal."""

    def __init__(self, journal: Journal, check_mode: bool = False, step: Callable[[], None] = lambda: None):
        """`step` is called before each change: the hook of fault injection."""
        self.journal = journal
        self.check_mode = check_mode
        self._step = step

    def change(
        self,
        argv: Sequence[str],
        deadline: float,
        rid: str = "",
        environment: Optional[Mapping[str, str]] = None,
        accept: Sequence[int] = (0,),
    ) -> Result:
        """Run a command that changes something. `deadline` is in seconds; `environment` may hold secrets and is not noted.

        Raises CommandFailed when it ends with a code that is not in `accept`, or not in time.
        """
        event = self.journal.command(rid, argv)
        if self.check_mode:
            return Result(0)
        self._step()
        began = time.monotonic()
        try:
            result = execute(argv, deadline, environment)
        except CommandFailed as error:
            self.journal.complete(event, error.rc, time.monotonic() - began, str(error))
            raise
        self.journal.complete(event, result.rc, time.monotonic() - began, result.stdout + result.stderr)
        if result.rc not in accept:
            raise CommandFailed(argv, result.rc, result.stdout, result.stderr)
        return result

    def do(self, argv: Sequence[str], action: Callable[[], Any], rid: str = "") -> None:
        """Do something that has a system call but needs no process, noted as the command `argv` that would do the same.

        Raises NodeError when the system refuses it.
        """
        event = self.journal.command(rid, argv)
        if not self.check_mode:
            self._step()
            self._perform(event, action)

    def begin(self, argv: Sequence[str], action: Callable[[], Any], rid: str = "") -> Callable[[], None]:
        """Begin to do the same in the background. What is returned waits for its end, and raises what `do` would raise."""
        event = self.journal.command(rid, argv)
        if self.check_mode:
            return lambda: None
        self._step()
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            return pool.submit(self._perform, event, action).result
        except RuntimeError:  # no room for another thread
            return partial(self._perform, event, action)
        finally:
            pool.shutdown(wait=False)

    def _perform(self, event: Event, action: Callable[[], Any]) -> None:
        began = time.monotonic()
        try:
            action()
        except OSError as error:
            self.journal.complete(event, 1, time.monotonic() - began, str(error))
            raise NodeError("%s failed: %s" % (event.text, error.strerror or error)) from error
        except Exception as error:
            self.journal.complete(event, 1, time.monotonic() - began, str(error))
            raise
        self.journal.complete(event, 0, time.monotonic() - began, "")


def execute(
    argv: Sequence[str], deadline: float, environment: Optional[Mapping[str, str]] = None, data: str = ""
) -> Result:
    """Run a command to its end. Raises CommandFailed when it cannot run or is not done after `deadline` seconds.

    A command that is late is ended together with what it started; its output until then is in the error. One that waits for
    a device and cannot be ended is left behind.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            env={**ENVIRONMENT, **(environment or {})},
            stdin=subprocess.PIPE if data else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
    except FileNotFoundError as error:
        raise CommandFailed(argv, None, "", "", "%s is not installed on this node" % argv[0]) from error
    except BlockingIOError as error:  # a fork that the kernel refuses. Source: fork(2), EAGAIN
        limits = "a limit on processes is reached, of the node (pid_max) or of the login (ulimit -u, pids.max)"
        raise CommandFailed(
            argv, None, "", "", "%s cannot be run: %s: %s" % (argv[0], error.strerror, limits)
        ) from error
    except (OSError, ValueError) as error:
        raise CommandFailed(argv, None, "", "", "%s cannot be run: %s" % (argv[0], error)) from error
    try:
        stdout, stderr = process.communicate(data.encode() if data else None, timeout=deadline)
    except subprocess.TimeoutExpired:
        _end(process)
        try:
            stdout, stderr = process.communicate(timeout=_LAST_WORDS)
        except subprocess.TimeoutExpired as error:
            stdout, stderr = error.stdout or b"", error.stderr or b""
        said = _text(stderr or stdout).strip()
        message = "%s was not done after %g s and was ended%s" % (argv[0], deadline, ": " + said if said else "")
        raise CommandLate(argv, None, _text(stdout), _text(stderr), message) from None
    return Result(process.returncode, _text(stdout), _text(stderr))


def start_detached(argv: Sequence[str], log: int) -> subprocess.Popen[bytes]:
    """Start a daemon in a session of its own, with nothing open but `log`. It lives on when the module ends."""
    return subprocess.Popen(
        list(argv),
        env=dict(ENVIRONMENT),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        cwd="/",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a late command by the session that was made for it, not by name."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def find_program(name: str) -> str:
    """The path of a program in the fixed search path, or an empty string."""
    for folder in PATH.split(":"):
        candidate = os.path.join(folder, name)
        if os.access(candidate, os.X_OK):
            return candidate
    return ""


def require_programs(*names: str) -> None:
    """Raise NodeError for the first program of Docker Engine that this node does not have."""
    for name in names:
        if not find_program(name):
            raise NodeError(
                "%s is not installed on this node: install Docker Engine (package docker.io), or run the role "
                "dockyard.svc.node" % name
            )
