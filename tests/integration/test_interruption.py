# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module is killed before each of its changes: the status tells the truth, and the next action finishes the work."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Callable

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, container, wait_for

WEB = ["sh", "-c", "trap exit TERM; httpd -f -p 80 & wait"]


def _interrupt(service: Service, state: str, at: int) -> bool:
    """Run an action that is killed before its `at`-th change; whether it was."""
    return service.module(state, {"DOCKYARD_FAULT_AT": str(at)}).wait() == -signal.SIGKILL


def _truthful(service: Service) -> None:
    """What the status says agrees with what docker and the machine say."""
    status = service.status()
    resource, daemon = status["resources"]["container#0"], status["daemon"]
    assert (daemon["state"] == "up") == bool(service.daemon_pid()), status
    running = daemon["state"] == "up" and service.name() in service.docker("ps", "--format", "{{.Names}}").stdout
    assert (resource["state"] == "up") == running, status
    assert status["action"] == ""


def _one_cut(number: int, state: str, at: int, ending: str) -> bool:
    """Cut an action short, then start or stop; whether there was something to cut."""
    web = container(command=WEB, run_args=["-p", "%d:80" % (9000 + number)])
    service = Service("cut/%s-%s-%d" % (state, ending, number), web)
    try:
        if state != "started":
            service.start()
        if not _interrupt(service, state, at):
            return False
        _truthful(service)
        if ending == "started":
            assert service.start()["status"]["overall"] == "up"
            assert not service.start()["changed"]
        service.stop()
        assert service.remains() == []
        assert not service.stop()["changed"]
        return True
    finally:
        service.wipe()


@pytest.mark.parametrize(
    ("state", "ending"),
    [("started", "started"), ("started", "stopped"), ("stopped", "started"), ("restarted", "stopped")],
)
def test_killed_before_each_change(state: str, ending: str) -> None:
    """Whatever was done until then, the next start brings it up and the next stop leaves nothing."""
    probe = Service("cut/probe", container(command=WEB, run_args=["-p", "9999:80"]))
    try:
        if state != "started":
            probe.start()
        changes = len(probe.act(state, check_mode=True)["commands"])
    finally:
        if state != "started":
            probe.stop()
        probe.wipe()
    assert changes >= 3
    number = count({"started": 0, "stopped": 200, "restarted": 400}[state] + (100 if ending == "stopped" else 1))
    with ThreadPoolExecutor(4) as pool:
        cuts = list(pool.map(lambda at: _one_cut(next(number), state, at, ending), range(1, changes + 2)))
    assert cuts == [True] * changes + [False]


def test_hangup_does_not_end_an_action(make: Callable[..., Service]) -> None:
    """A lost connection (SIGHUP) leaves no action half done."""
    service = make()
    start = service.module("started")
    wait_for(service.daemon_pid)
    os.kill(start.pid, signal.SIGHUP)
    assert not start.outcome()["failed"]
    assert service.status()["overall"] == "up"
