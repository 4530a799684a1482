# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is killed in the middle of a restart, and one that nobody listens to any more."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from ansible_collections.dockyard.svc.tests.support import Service, container, wait_for

WEB = ["sh", "-c", "trap exit TERM; httpd -f -p 80 & wait"]


def _truthful(service: Service) -> None:
    """What the status says agrees with what docker and the machine say."""
    status = service.status()
    resource, daemon = status["resources"]["container#0"], status["daemon"]
    assert (daemon["state"] == "up") == bool(service.daemon_pid()), status
    running = daemon["state"] == "up" and service.name() in service.docker("ps", "--format", "{{.Names}}").stdout
    assert (resource["state"] == "up") == running, status
    assert status["action"] == ""


def _one_cut(number: int) -> bool:
    """Cut a restart short before its change of this number, then stop; whether there was something to cut."""
    service = Service("cut/n%d" % number, container(command=WEB, run_args=["-p", "%d:80" % (9000 + number)]))
    try:
        service.start()
        killed = service.module("restarted", {"DOCKYARD_FAULT_AT": str(number)}).wait() == -signal.SIGKILL
        _truthful(service)
        service.stop()
        assert service.remains() == []
        assert not service.stop()["changed"]
        return killed
    finally:
        service.wipe()


def test_restart_killed_before_each_change(make: Callable[..., Service]) -> None:
    """Whatever was done until then, the next stop leaves nothing."""
    probe = make(container(command=WEB, run_args=["-p", "9000:80"]))
    probe.start()
    changes = len(probe.act("restarted", check_mode=True)["commands"])
    assert changes >= 6
    probe.stop()
    with ThreadPoolExecutor(4) as pool:
        cuts = list(pool.map(_one_cut, range(1, changes + 2)))
    assert cuts == [True] * changes + [False]


def test_hangup_does_not_end_an_action(make: Callable[..., Service]) -> None:
    """A lost connection (SIGHUP) leaves no action half done."""
    service = make()
    start = service.module("started")
    wait_for(service.daemon_pid)
    os.kill(start.pid, signal.SIGHUP)
    assert not start.outcome()["failed"]
    assert service.status()["overall"] == "up"
