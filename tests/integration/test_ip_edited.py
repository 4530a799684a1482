# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver ip when its definition changes while the address is up, and several addresses of one service."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.policy_routes import table_number
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.support import Service
from ansible_collections.dockyard.svc.tests.wire import commands, have, ip, make_ip, network, refused, wire

__all__ = ["make_ip", "wire"]
_number = count(1)


@pytest.fixture
def edited(wire: None) -> Callable[..., Service]:
    """Makes one service, again and again, as its definition changes: each section is an address on v0."""
    path = "test/edited%d" % next(_number)

    def one(**sections: dict[str, Any]) -> Service:
        known = {name.replace("ip", "ip#"): {"ipdev": "v0", **section} for name, section in sections.items()}
        return Service(path, docker_data_dir=None, **{"container#0": None, **known})

    return one


@pytest.fixture
def twin() -> Iterator[str]:
    """A name that means 10.9.0.5."""
    path = Path("/etc/hosts")
    before = path.read_text(encoding="utf-8")
    path.write_text(before + "10.9.0.5 twin.example\n", encoding="utf-8")
    yield "twin.example"
    path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("started", [True, False])
def test_another_number(edited: Callable[..., Service], started: bool) -> None:
    """An address stays the service's when its section gets another number, and its routing goes with it."""
    keywords, before = {"ipname": "10.9.0.5", "gateway": "10.9.0.2"}, network()
    edited(ip1=keywords).start()
    service = edited(ip2=keywords)
    assert service.state("ip#2") == "warn" and "another number" in service.remarks("ip#2")
    if started:
        assert service.start()["commands"] == [] and service.status()["overall"] == "up"
        assert not service.start()["changed"]
        both = edited(ip1={"ipname": "10.9.0.6"}, ip2=keywords)
        assert (both.state("ip#1"), both.remarks("ip#1"), both.state("ip#2")) == ("down", "", "up")
    outcome = service.stop()
    assert network() == before
    assert "routing" in outcome["evidence"]["ip#2"]
    again = edited(ip1=keywords)
    assert again.status()["overall"] == "down" and not again.stop()["changed"]
    assert again.start()["changed"]
    again.stop()


def test_routing_in_another_table(edited: Callable[..., Service]) -> None:
    """What an earlier definition has made for the address is told, and taken away by a start and by a stop."""
    service, before = edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2"}), network()
    table = str(table_number("another"))
    for state in ("started", "stopped"):
        service.start()
        ip("route", "add", "default", "via", "10.9.0.2", "dev", "v0", "onlink", "table", table)
        ip("rule", "add", "priority", "30001", "from", "10.9.0.5", "lookup", table)
        assert service.state("ip#1") == "warn" and "earlier definition" in service.remarks("ip#1")
        planned = commands(service.act(state, check_mode=True))
        assert planned == commands(service.act(state)) and table in planned[0]
        assert table not in ip("rule") + ip("route", "show", "table", "all")
        service.stop()
        assert network() == before


@pytest.mark.parametrize("state", ["started", "stopped", "restarted"])
def test_gateway_taken_out(edited: Callable[..., Service], state: str) -> None:
    """Rules and routes that the definition does not want any more are told, and go with the next start or stop."""
    edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2"}).start()
    service = edited(ip1={"ipname": "10.9.0.5"})
    assert service.state("ip#1") == "warn" and "earlier definition" in service.remarks("ip#1")
    planned, outcome = service.act(state, check_mode=True), service.act(state)
    assert not outcome["failed"] and commands(planned) == commands(outcome)
    assert "10.9.0.5" not in ip("rule")
    assert service.status()["overall"] == ("down" if state == "stopped" else "up")
    service.stop()


@pytest.mark.parametrize("step", ["1", "2", "3"])
def test_gateway_taken_out_and_a_killed_start(edited: Callable[..., Service], step: str) -> None:
    """What the killed start has not taken away yet is still known."""
    before = network()
    edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2"}).start()
    service = edited(ip1={"ipname": "10.9.0.5"})
    assert service.module(environment={"DOCKYARD_FAULT_AT": step}).wait() == -9
    assert service.state("ip#1") == "warn" and "earlier definition" in service.remarks("ip#1")
    assert service.start()["status"]["overall"] == "up"
    service.stop()
    assert network() == before


def test_address_changed_and_lost(edited: Callable[..., Service]) -> None:
    """The rules of an address that is gone, and that the definition does not mean any more, are not forgotten."""
    before = network()
    for state in ("started", "stopped"):
        edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2"}).start()
        ip("address", "delete", "10.9.0.5/24", "dev", "v0")
        service = edited(ip1={"ipname": "10.9.0.6"})
        assert "10.9.0.5 are left" in service.remarks("ip#1")
        service.act(state)
        assert "10.9.0.5" not in ip("rule")
        service.stop()
        assert network() == before


def test_mended_routing_and_a_failed_start(edited: Callable[..., Service]) -> None:
    """Of the routing only what this start has mended is taken back when a later resource fails."""
    sections = {"ip1": {"ipname": "10.9.0.5", "gateway": "10.9.0.2"}, "ip2": {"ipname": "10.9.0.6", "ipdev": "v0"}}
    service = edited(**sections)
    service.start(rid="ip#1")
    ip("rule", "delete", "priority", "30000")
    before = network()
    with replaced("ip", 'case "$*" in "address add"*) exit 1;; esac; exec $REAL "$@"'):
        outcome = service.act("started")
    assert outcome["failed"] and network() == before
    service.start()
    service.stop()


def test_another_interface(edited: Callable[..., Service]) -> None:
    """An address whose definition names another interface now is stopped where it is, and started where it is to be."""
    ip("link", "add", "link", "v0", "name", "m0", "type", "macvlan", "mode", "bridge")
    try:
        ip("link", "set", "m0", "up")
        before = network()
        edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2"}).start()
        service = edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2", "ipdev": "m0", "netmask": 24})
        assert service.state("ip#1") == "warn" and "an earlier definition" in service.remarks("ip#1")
        refused(service.act("started"), "10.9.0.5 is on v0", "stop it, then start it")
        planned, outcome = service.act("restarted", check_mode=True), service.restart()
        assert commands(planned) == commands(outcome)
        assert have("m0") == ["10.9.0.5/24"] and "10.9.0.5/24" not in have()
        service.stop()
        assert network() == before
    finally:
        ip("link", "delete", "m0")


def test_gateway_on_the_loopback(make_ip: Callable[..., Service]) -> None:
    """It is refused before anything is changed."""
    service = make_ip("10.88.0.5", ipdev="lo", netmask=24, gateway="10.88.0.1")
    refused(service.act("started"), "nothing leaves by lo")


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"ipdev": "nosuch0"}, "no interface nosuch0"),
        ({"ipname": "10.77.0.5"}, "no network of v0"),
        ({"gateway": "10.77.0.1"}, "not in the network"),
        ({"ipname": "nosuch.invalid"}, "nosuch.invalid"),
    ],
)
def test_restart_that_cannot_work(edited: Callable[..., Service], keywords: dict[str, Any], words: str) -> None:
    """It is refused while the address is up, which stays so."""
    before = edited(ip1={"ipname": "10.9.0.5"})
    before.start()
    for check_mode in (True, False):
        refused(edited(ip1={"ipname": "10.9.0.5", **keywords}).act("restarted", check_mode=check_mode), words)
    assert before.status()["overall"] == "up"
    before.stop()


def test_address_on_the_interface_that_was_declared_meanwhile(edited: Callable[..., Service]) -> None:
    """It is removed from where it was added, and stays where somebody else has put it."""
    edited(ip1={"ipname": "10.9.0.5"}).start()
    ip("address", "add", "10.9.0.5/32", "dev", "lo")
    try:
        service = edited(ip1={"ipname": "10.9.0.5", "ipdev": "lo"})
        outcome = service.act("stopped")
        assert outcome["failed"] and "10.9.0.5/32 is on lo" in outcome["msg"], outcome["msg"]
        assert "10.9.0.5/24" not in have() and "10.9.0.5/32" in have("lo")
    finally:
        ip("address", "delete", "10.9.0.5/32", "dev", "lo")


# Two resources of one service


@pytest.mark.parametrize("swapped", [False, True])
def test_two_words_for_one_address(edited: Callable[..., Service], twin: str, swapped: bool) -> None:
    """A name that means the address of another resource is refused before anything is changed, also in check mode."""
    names = ["10.9.0.5", twin]
    service, before = edited(ip1={"ipname": names[swapped]}, ip2={"ipname": names[not swapped]}), network()
    assert service.state("ip#2") == "down" and "10.9.0.5 is the address of ip#1, too" in service.remarks("ip#2")
    for check_mode in (True, False):
        refused(service.act("started", check_mode=check_mode), "ip#2: 10.9.0.5 is the address of ip#1, too")
    service.start(rid="ip#1")
    assert service.state("ip#1") == "up" and service.state("ip#2") == "warn"
    refused(service.act("started", rid="ip#2"), "ip#1")
    outcome = service.stop()
    assert "left to ip#1" in outcome["evidence"]["ip#2"]["address"]
    assert network() == before


@pytest.mark.parametrize("state", ["restarted", "stopped"])
def test_address_that_gets_another_number_beside_a_new_one(edited: Callable[..., Service], state: str) -> None:
    """The old address is ip#1's until that has moved to its new one; nobody is stuck on the way."""
    before = network()
    edited(ip1={"ipname": "10.9.0.5", "gateway": "10.9.0.2"}).start()
    sections = {"ip1": {"ipname": "10.9.0.6"}, "ip2": {"ipname": "10.9.0.5", "gateway": "10.9.0.2"}}
    service = edited(**sections)
    assert (service.state("ip#1"), service.state("ip#2")) == ("warn", "warn")
    refused(service.act("started"), "restart")
    planned, outcome = service.act(state, check_mode=True), service.act(state)
    assert not outcome["failed"], outcome["msg"]
    assert commands(planned) == commands(outcome)
    assert {"10.9.0.5/24", "10.9.0.6/24"} & set(have()) == (
        set() if state == "stopped" else {"10.9.0.5/24", "10.9.0.6/24"}
    )
    service.stop()
    assert network() == before
