# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One action at a time on a service, whoever asks for it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, container, wait_for

SLOW_STOP = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
HOLD = """
import fcntl, sys, time
stream = open(sys.argv[1], "a")
fcntl.flock(stream, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder() -> Any:
    """Lets another process take the lock of a service."""
    held: list[subprocess.Popen[str]] = []

    def hold(service: Service) -> subprocess.Popen[str]:
        Path(service.lock).parent.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen([sys.executable, "-c", HOLD, service.lock], stdout=subprocess.PIPE, text=True)
        held.append(process)
        assert process.stdout and process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in held:
        process.kill()
        process.wait()


def test_second_action_waits(make: Callable[..., Service]) -> None:
    """A start that meets a stop waits for its end, and then starts; the status names the action meanwhile."""
    service = make(container(command=SLOW_STOP, stop_timeout=3))
    service.start()
    stop = service.module("stopped")
    assert wait_for(lambda: service.status()["action"]) == "stopping"
    began = time.monotonic()
    outcome = service.act("started")
    assert time.monotonic() - began > 1
    assert not stop.outcome()["failed"]
    assert not outcome["failed"] and outcome["changed"]
    assert service.status()["overall"] == "up"


def test_lock_timeout(make: Callable[..., Service]) -> None:
    """After lock_timeout the action fails, names the holder, and has touched nothing."""
    service = make(container(command=SLOW_STOP, stop_timeout=6), lock_timeout="0.5s")
    service.start()
    stop = service.module("stopped")
    wait_for(lambda: service.status()["action"])
    outcome = service.act("restarted")
    assert outcome["failed"] and "stopping" in outcome["msg"] and "pid %d" % stop.pid in outcome["msg"], outcome["msg"]
    assert outcome["commands"] == []
    assert not stop.outcome()["failed"]


def test_check_mode_takes_no_lock(make: Callable[..., Service], holder: Callable[[Service], Any]) -> None:
    """Check mode neither waits for the lock nor makes its file."""
    service = make(lock_timeout="0.1s")
    holder(service)
    assert not service.act("started", check_mode=True)["failed"]


def test_lock_file_of_a_dead_process(service: Service) -> None:
    """A lock ends with its holder: what he wrote into the file holds nobody up."""
    Path(service.lock).parent.mkdir(parents=True, exist_ok=True)
    Path(service.lock).write_text('{"action": "started", "pid": 1, "since": "long ago"}', encoding="ascii")
    assert service.status()["action"] == ""
    assert service.start()["seconds"] < 30


@pytest.mark.parametrize("note", ["", "garbage", "[1]", '{"action": 5}'])
def test_lock_held_with_a_strange_note(
    make: Callable[..., Service], holder: Callable[[Service], Any], note: str
) -> None:
    """Whatever stands in the lock file, the failure is a sentence."""
    service = make(lock_timeout="0.2s")
    holder(service)
    Path(service.lock).write_text(note, encoding="ascii")
    assert service.status()["action"]
    outcome = service.act("started")
    assert outcome["failed"] and "another action holds the service" in outcome["msg"], outcome["msg"]


@pytest.mark.parametrize(
    "make_it", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)], ids=["folder", "pipe", "link"]
)
def test_lock_file_that_is_none(service: Service, make_it: Callable[[str], None]) -> None:
    """A lock path that is no file is a failure with a sentence, or harmless; it never hangs and is never followed."""
    Path(service.lock).parent.mkdir(parents=True, exist_ok=True)
    make_it(service.lock)
    passwd = Path("/etc/passwd").read_bytes()
    service.status()
    outcome = service.act("started")
    assert not outcome["failed"] or service.lock in outcome["msg"], outcome["msg"]
    assert Path("/etc/passwd").read_bytes() == passwd
    os.rmdir(service.lock) if os.path.isdir(service.lock) else os.unlink(service.lock)


def test_start_stop_start_at_once(make: Callable[..., Service]) -> None:
    """Of three controllers at the same time each one ends well, and the status is what docker says."""
    service = make()
    modules = [service.module(state) for state in ("started", "stopped", "started")]
    assert [module.outcome()["msg"] for module in modules] == ["started", "stopped", "started"]
    status = service.status()
    assert status["overall"] in ("up", "down"), status
    assert (status["overall"] == "up") == bool(service.daemon_pid())
    if status["overall"] == "up":
        assert service.docker("ps", "--all", "--quiet").stdout.count("\n") == 1
    service.stop()
    assert service.remains() == []


def test_same_start_by_three(make: Callable[..., Service]) -> None:
    """Three starts at once make one container, and only one of them has changed something."""
    service = make()
    outcomes = [module.outcome() for module in [service.module("started") for _count in range(3)]]
    assert [outcome["failed"] for outcome in outcomes] == [False] * 3, outcomes
    assert sum(outcome["changed"] for outcome in outcomes) == 1
    assert service.docker("ps", "--all", "--quiet").stdout.count("\n") == 1


def test_lock_is_free_for_readers(make: Callable[..., Service], holder: Callable[[Service], Any]) -> None:
    """A status does not wait for an action, and does not hold one up."""
    service = make()
    holder(service)
    began = time.monotonic()
    assert service.status()["action"] == "unknown"
    assert time.monotonic() - began < 10
    with open(service.lock, encoding="ascii") as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
