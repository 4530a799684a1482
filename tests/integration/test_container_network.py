# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that use the network of another one: `netns: container#N`."""

from __future__ import annotations

import os
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, container

Make = Callable[..., Service]


def namespace(service: Service, index: int) -> str:
    """The network namespace that a container runs in."""
    return os.readlink("/proc/%d/ns/net" % service.container_pid(index))


def is_well(service: Service) -> None:
    """Both run in one network, the status has nothing to say, and there is nothing to start."""
    assert namespace(service, 0) == namespace(service, 1)
    status = service.status()
    assert status["overall"] == "up", status["resources"]
    assert not service.start()["changed"]


@pytest.fixture
def pair(make: Make) -> Service:
    """A container with a network, and one that uses it."""
    service = make(container(netns="bridge"), container(netns="container#0"))
    service.start()
    return service


def plan_is_true(service: Service, verb: str, **options: Any) -> dict[str, Any]:
    """Act, and see that check mode has foretold the same docker commands."""
    planned, outcome = (service.act(verb, check_mode=check, **options) for check in (True, False))
    words = [
        [
            command["cmd"].partition("docker.sock ")[2].split()[:2]
            for command in one["commands"]
            if "docker.sock " in command["cmd"]
        ]
        for one in (planned, outcome)
    ]
    assert words[0] == words[1], words
    return outcome


def test_sequence(pair: Service) -> None:
    """Start, stop and restart of the whole, as of any service."""
    is_well(pair)
    for verb in ("stopped", "started", "restarted"):
        outcome = plan_is_true(pair, verb)
        assert not outcome["failed"], outcome["msg"]
    is_well(pair)


def test_one_stands_on_the_other(pair: Service) -> None:
    """The one with the network is neither stopped below the other nor missing when that is started."""
    for verb in ("stopped", "restarted"):
        outcome = pair.act(verb, rid="container#0")
        assert outcome["failed"] and "container#1" in outcome["msg"] and not outcome["commands"], outcome["msg"]
    is_well(pair)
    pair.stop()
    for check in (True, False):
        outcome = pair.act("started", rid="container#1", check_mode=check)
        assert outcome["failed"] and "needs container#0" in outcome["msg"] and not outcome["commands"], outcome["msg"]
    pair.start(rid="container#0")
    pair.start(rid="container#1")
    is_well(pair)


def test_wrong_order(make: Make) -> None:
    """One that starts before the one whose network it uses is refused before anything is changed."""
    service = make(container(netns="container#1"), container())
    outcome = service.act("started")
    assert outcome["failed"] and "starts later" in outcome["msg"] and service.remains() == []


@pytest.mark.parametrize("rm", [False, True], ids=["kept", "rm"])
@pytest.mark.parametrize("fault", ["restart", "stop", "kill"])
def test_partner_was_started_again(make: Make, fault: str, rm: bool) -> None:
    """Somebody restarts the one with the network, or it ends: the other one has none, which is told and mended."""
    service = make(container(netns="bridge"), container(netns="container#0", rm=rm))
    service.start()
    service.docker(fault, service.name(0))
    assert service.state("container#1") == "warn" and "whose network it uses" in service.remarks("container#1")
    outcome = plan_is_true(service, "started")
    assert not outcome["failed"], outcome["msg"]
    is_well(service)
    service.stop()
    assert service.remains() == []


@pytest.mark.parametrize("rm", [False, True], ids=["kept", "rm"])
def test_partner_is_new(make: Make, rm: bool) -> None:
    """After the upgrade of the one with the network, the other one is made anew, or, where that loses data, refused."""
    service = make(container(netns="bridge"), container(netns="container#0", rm=rm))
    service.start()
    service.docker("rm", "--force", service.name(0))
    service.start(rid="container#0")
    assert "is not any more" in service.remarks("container#1")
    first = service.inspect(1)["Id"]
    outcome = service.act("started")
    if not rm:
        assert outcome["failed"] and not outcome["changed"] and not outcome["commands"], outcome["msg"]
        assert "rm %s" % first[:12] in outcome["msg"] and service.inspect(1)["State"]["Running"]
        service.stop(rid="container#1")
        assert "is not any more" in service.remarks("container#1")
        for check in (True, False):
            outcome = service.act("started", check_mode=check)
            assert outcome["failed"] and not outcome["commands"] and "rm %s" % first[:12] in outcome["msg"]
        service.docker("rm", first)
        outcome = service.act("started")
    assert not outcome["failed"] and service.inspect(1)["Id"] != first, outcome["msg"]
    is_well(service)


def test_partner_is_new_each_time(make: Make) -> None:
    """One that is kept cannot use the network of one that each start makes anew: refused with the way out."""
    service = make(container(netns="bridge", rm=True), container(netns="container#0"))
    service.start()
    is_well(service)
    service.stop()
    for check in (True, False):
        outcome = service.act("started", check_mode=check)
        assert outcome["failed"] and "rm: true" in outcome["msg"] and not outcome["commands"], outcome["msg"]
    assert service.remains() == []
    changed = make(container(netns="bridge", rm=True), container(netns="container#0", rm=True), path=service.path)
    for _time in range(2):
        changed.start()
        is_well(changed)
        changed.stop()
    changed.start()
    changed.restart()
    is_well(changed)
