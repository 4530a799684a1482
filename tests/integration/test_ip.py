# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver ip: its sequence on a real wire, removal, names, and every half-way state."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import ip_view
from ansible_collections.dockyard.svc.plugins.module_utils.node import addresses
from ansible_collections.dockyard.svc.tests.support import Service, run
from ansible_collections.dockyard.svc.tests.wire import (
    commands,
    have,
    ip,
    mac,
    make_ip,
    network,
    refused,
    remember,
    wire,
)

__all__ = ["make_ip", "wire"]
SHAPES: dict[str, dict[str, Any]] = {
    "ipv4": {},
    "label": {"ipdev": "v0:app"},
    "own network": {"ipname": "10.77.0.5", "netmask": "255.255.255.0"},
    "ipv6": {"ipname": "fd09::5"},
    "gateway": {"gateway": "10.9.0.2"},
    "ipv6 gateway": {"ipname": "fd09::5", "gateway": "fd09::2"},
    "loopback": {"ipname": "10.88.0.5", "ipdev": "lo", "netmask": 32},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_whole_sequence(make_ip: Callable[..., Service], shape: dict[str, Any]) -> None:
    """Nothing changes a second time, each status is true, a stop takes away what the start has made and no more."""
    service = make_ip(**shape)
    device = shape.get("ipdev", "v0").partition(":")[0]
    before = network(device)
    assert service.status()["avail"] == "down"
    planned = service.act("started", check_mode=True)
    assert have(device) == before[0]

    first = service.start()
    assert (first["changed"], first["status"]["overall"]) == (True, "up"), first["log"]
    assert commands(planned) == commands(first)
    assert len(have(device)) == len(before[0]) + 1
    assert service.status()["resources"]["ip#1"]["facts"]["address"] == shape.get("ipname", "10.9.0.5")

    again = service.start()
    assert (again["changed"], again["commands"], again["status"]["overall"]) == (False, [], "up")

    planned = service.act("stopped", check_mode=True)
    down = service.stop()
    assert commands(planned) == commands(down)
    assert (down["changed"], down["status"]["avail"]) == (True, "down")
    assert "is on no interface" in down["evidence"]["ip#1"]["address"]
    assert network(device) == before

    again = service.stop()
    assert (again["changed"], again["commands"], again["status"]["avail"]) == (False, [], "down")


# Addresses that are not the service's


def test_dynamic_address(make_ip: Callable[..., Service]) -> None:
    """An address that came by DHCP is the node's."""
    ip("address", "add", "10.9.0.5/24", "dev", "v0", "valid_lft", "600", "preferred_lft", "600")
    service, before = make_ip(), network()
    assert service.state("ip#1") == "warn" and "DHCP" in service.remarks("ip#1")
    refused(service.act("started"), "DHCP")
    refused(service.act("stopped"), "DHCP")
    assert network() == before


def test_own_address_of_the_node(make_ip: Callable[..., Service]) -> None:
    """The first address of an interface was not added for a service."""
    service, before = make_ip("10.9.0.1"), network()
    assert service.state("ip#1") == "warn"
    refused(service.act("started"), "node's own", "ip address delete 10.9.0.1/24 dev v0")
    refused(service.act("stopped"), "node's own")
    assert network() == before


def test_address_of_the_session(make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who came in through an address does not cut himself off."""
    service = make_ip()
    ip("address", "add", "10.9.0.5/24", "dev", "v0")
    monkeypatch.setenv("SSH_CONNECTION", "10.9.0.2 40000 10.9.0.5 22")
    refused(service.act("started"), "this session")
    refused(service.act("stopped"), "this session")
    monkeypatch.delenv("SSH_CONNECTION")
    assert service.start()["status"]["overall"] == "up"
    monkeypatch.setenv("SSH_CONNECTION", "10.9.0.2 40000 ::ffff:10.9.0.5 22")
    assert service.start()["status"]["overall"] == "up"
    refused(service.act("stopped"), "this session")
    monkeypatch.setenv("SSH_CONNECTION", "10.9.0.2 40000 10.9.0.1 22")
    service.stop()


def test_address_that_was_there_before(make_ip: Callable[..., Service]) -> None:
    """It is not the service's before a start has asked the neighbours, taken it over and announced it."""
    service = make_ip()
    ip("address", "add", "10.9.0.5/24", "dev", "v0")
    assert service.state("ip#1") == "warn" and "not added by this service" in service.remarks("ip#1")
    refused(service.act("stopped"), "has not added it", "ip address delete 10.9.0.5/24 dev v0")
    ip("address", "add", "10.9.0.5/24", "dev", "v1", peer=True)
    refused(service.act("started"), "in use")
    assert "10.9.0.5/24" in have()
    ip("address", "delete", "10.9.0.5/24", "dev", "v1", peer=True)
    outcome = service.start()
    assert [line.partition(" -c")[0] for line in commands(outcome)] == ["arping -D", "arping -U"]
    assert service.state("ip#1") == "up" and service.start()["commands"] == []
    service.stop()
    assert "10.9.0.5/24" not in have()


def test_address_of_another_service(make_ip: Callable[..., Service]) -> None:
    """Teams that know nothing of each other's definitions may name one address: the first has it."""
    first, second = make_ip(), make_ip()
    first.start()
    for state in ("started", "stopped"):
        refused(second.act(state), "was added by the service %s of this node" % first.path)
    assert first.state("ip#1") == "up"
    first.stop()
    second.start()
    second.stop()


def test_address_of_another_service_after_a_crash(make_ip: Callable[..., Service]) -> None:
    """Both have it in their records: it is the one's that added it last."""
    first, second = make_ip(), make_ip()
    first.start()
    ip("address", "delete", first.status()["resources"]["ip#1"]["facts"]["address"] + "/24", "dev", "v0")
    second.start()
    assert first.state("ip#1") == "warn"
    refused(first.act("stopped"), "was added by the service %s of this node" % second.path)
    assert second.state("ip#1") == "up"
    second.stop()
    first.stop()


# Removal


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("by_node", [True, False], ids=["as secondaries", "as the first"])
def test_neighbours_survive_a_stop(make_ip: Callable[..., Service], order: tuple[int, int], by_node: bool) -> None:
    """Two services in one network go away in either order, and each takes its own address alone (F49)."""
    if not by_node:
        ip("address", "delete", "10.9.0.1/24", "dev", "v0")
    services = [make_ip("10.9.0.5", netmask=24), make_ip("10.9.0.6", netmask=24)]
    for service in services:
        service.start()
    ip("address", "add", "10.9.0.7/24", "dev", "v0", "label", "v0:other")
    for index in order:
        before = have()
        services[index].stop()
        gone = set(before) - set(have())
        assert gone == {"10.9.0.%d/24" % (5 + index)} and len(have()) == len(before) - 1
        assert Path(addresses.promote_file("v0")).read_text(encoding="ascii") == "0\n"
        assert services[1 - index].state("ip#1") == ("up" if index == order[0] else "down")
    assert "10.9.0.7/24" in have()


def test_addresses_lost_with_a_removal(make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes with the address against all care is added again, as it was, and the stop fails (F49)."""
    ip("address", "delete", "10.9.0.1/24", "dev", "v0")
    service = make_ip(netmask=24)
    service.start()
    ip("address", "add", "10.9.0.7/24", "dev", "v0", "label", "v0:other", "broadcast", "+")
    ip("address", "add", "10.9.0.8/24", "dev", "v0")
    shown = [line for line in ip("-oneline", "-4", "address", "show", "dev", "v0").splitlines() if "0.5" not in line]
    monkeypatch.setattr(addresses, "promotes_secondaries", lambda _device: True)
    outcome = service.act("stopped")
    assert outcome["failed"] and "10.9.0.7/24" in outcome["msg"] and "10.9.0.8/24" in outcome["msg"], outcome["msg"]
    now = ip("-oneline", "-4", "address", "show", "dev", "v0").splitlines()
    assert sorted(line.replace(" secondary", "") for line in now) == sorted(
        line.replace(" secondary", "") for line in shown
    )
    service.stop()


def test_stop_without_the_connected_route(make_ip: Callable[..., Service]) -> None:
    """A stop looks for the address itself, and not for a route to it (F59)."""
    service = make_ip()
    service.start()
    ip("route", "delete", "10.9.0.0/24", "dev", "v0")
    assert service.stop()["changed"]
    assert "10.9.0.5/24" not in have()


def test_stop_without_the_network_of_the_node(make_ip: Callable[..., Service]) -> None:
    """The prefix came from an address of the node that is gone: status and stop go by the record (F59)."""
    run("sysctl", "-qw", "net.ipv4.conf.v0.promote_secondaries=1")
    service = make_ip()
    service.start()
    ip("address", "delete", "10.9.0.1/24", "dev", "v0")
    assert service.state("ip#1") == "up"
    service.stop()
    assert have() == ["fd09::1/64"]


# Names


@pytest.fixture
def hosts() -> Iterator[Callable[[str], None]]:
    """Says what the name app.example means, on top of what /etc/hosts says."""
    path = Path("/etc/hosts")
    before = path.read_text(encoding="utf-8")

    def say(lines: str) -> None:
        path.write_text(before + lines + "\n", encoding="utf-8")

    yield say
    path.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("later", ["10.9.0.6 app.example", "", "10.9.0.6 app.example\n10.9.0.7 app.example"])
def test_name_that_changes(make_ip: Callable[..., Service], hosts: Callable[[str], None], later: str) -> None:
    """A stop takes away what the start has added, whatever the name means by now, and says that it differs (F60)."""
    hosts("10.9.0.5 app.example")
    service, before = make_ip("app.example"), network()
    assert service.start()["status"]["resources"]["ip#1"]["label"] == "app.example@v0"
    hosts(later)
    status = service.status()
    assert status["overall"] == "warn" and "10.9.0.5" in service.remarks("ip#1")
    outcome = service.stop()
    assert any("10.9.0.5" in line["text"] and line["level"] == "warn" for line in outcome["log"])
    assert network() == before
    assert "10.9.0.5" in outcome["evidence"]["ip#1"]["address"]


def test_name_that_changes_and_a_restart(make_ip: Callable[..., Service], hosts: Callable[[str], None]) -> None:
    """A start does not add a second address; a restart moves to the new one (F60)."""
    hosts("10.9.0.5 app.example")
    service, before = make_ip("app.example"), network()
    service.start()
    hosts("10.9.0.6 app.example")
    refused(service.act("started"), "10.9.0.6", "restart")
    service.restart()
    assert have()[-2:] != before[0][-2:] and "10.9.0.6/24" in have() and "10.9.0.5/24" not in have()
    service.stop()
    assert network() == before


def test_name_that_nobody_knows(make_ip: Callable[..., Service]) -> None:
    """Without a record nothing can be told, and nothing is done."""
    service = make_ip("nosuch.invalid")
    assert service.state("ip#1") == "undef" and "nosuch.invalid" in service.remarks("ip#1")
    refused(service.act("started"), "nosuch.invalid")
    refused(service.act("stopped"), "nosuch.invalid")


def test_name_server_that_does_not_answer(make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """A status does not hang with it."""
    monkeypatch.setattr(ip_view, "_RESOLVE_DEADLINE", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: time.sleep(10) or [])
    service = make_ip("app.example")
    began = time.monotonic()
    assert service.state("ip#1") == "undef" and "within 0.5 s" in service.remarks("ip#1")
    assert time.monotonic() - began < 10


# Half-way


@pytest.mark.parametrize("then", ["started", "stopped"])
@pytest.mark.parametrize(
    ("shape", "verb"),
    [("gateway", "started"), ("gateway", "stopped"), ("first of its network", "stopped"), ("ipv6", "started")],
)
def test_killed_at_every_step(make_ip: Callable[..., Service], shape: str, verb: str, then: str) -> None:
    """After a kill at any step the status is true, a start brings it up, and a stop leaves nothing."""
    keywords: dict[str, Any] = {"gateway": "10.9.0.2"}
    if shape == "ipv6":
        keywords = {"ipname": "fd09::5"}
    elif shape == "first of its network":
        keywords = {"ipname": "10.77.0.5", "netmask": 24}
    step, killed = 0, True
    while killed:
        step += 1
        service, before = make_ip(**keywords), network()
        if verb == "stopped":
            service.start()
            if shape == "first of its network":
                ip("address", "add", "10.77.0.6/24", "dev", "v0")
        asked = keywords.get("ipname", "10.9.0.5")
        remember(asked)
        killed = service.module(verb, environment={"DOCKYARD_FAULT_AT": str(step)}).wait() == -9
        status = service.status()
        present = any("0.5/" in item or "::5/" in item for item in have())
        assert not (status["avail"] == "up" and not present)
        assert not (status["overall"] == "down" and present and "tentative" not in ip("address", "show", "dev", "v0"))
        outcome = service.act(then)
        assert not outcome["failed"], (step, outcome["msg"])
        if then == "started":
            assert verb == "stopped" or mac("v0") in ip("neighbour", "show", asked, peer=True), step
            assert outcome["status"]["overall"] == "up", (step, outcome["status"])
            assert service.start()["commands"] == []
        service.stop()
        if shape == "first of its network" and verb == "stopped":
            ip("address", "delete", "10.77.0.6/24", "dev", "v0")
        assert network() == before, step
        assert Path(addresses.promote_file("v0")).read_text(encoding="ascii") == "0\n"
        assert service.status()["overall"] == "down"
    assert step > (1 if verb == "stopped" else 2)


@pytest.mark.parametrize("part", ["rule", "own rule", "route"])
def test_routing_that_is_not_whole(make_ip: Callable[..., Service], part: str) -> None:
    """A missing part of the way out is reported, and brought back by a start that does nothing else."""
    service, before = make_ip(gateway="10.9.0.2"), network()
    service.start()
    table = next(word for word in ip("rule").split() if word.isdigit() and len(word) == 9)
    if part == "route":
        ip("route", "flush", "table", table)
    else:
        ip("rule", "delete", "priority", "30000" if part == "rule" else "30001")
    assert service.state("ip#1") == "warn" and "10.9.0.2" in service.remarks("ip#1")
    outcome = service.start()
    assert outcome["status"]["overall"] == "up"
    assert [line.split()[2] for line in commands(outcome)] == ["route" if part == "route" else "rule"]
    assert "via 10.9.0.2" in ip("route", "show", "table", table)
    service.stop()
    assert network() == before


def test_way_out(make_ip: Callable[..., Service]) -> None:
    """Packets from the address leave by its gateway; neighbours and the packets of others go as before."""
    ip("address", "add", "10.99.0.1/32", "dev", "lo", peer=True)
    service = make_ip(gateway="10.9.0.2")
    service.start()
    assert "via 10.9.0.2" in ip("route", "get", "10.99.0.1", "from", "10.9.0.5")
    assert "via" not in ip("route", "get", "10.9.0.77", "from", "10.9.0.5")
    assert "10.9.0.2" not in ip("route", "get", "10.99.0.1", check=False)
    assert run("ping", "-c1", "-W2", "-I", "10.9.0.5", "10.99.0.1").returncode == 0
    service.stop()


def test_services_side_by_side(make_ip: Callable[..., Service]) -> None:
    """Many services change one interface at once."""
    services = [make_ip("10.9.0.%d" % (20 + number)) for number in range(6)]
    before = network()
    for state in ("started", "stopped"):
        for outcome in [module.outcome() for module in [service.module(state) for service in services]]:
            assert not outcome["failed"] and outcome["changed"], outcome["msg"]
        assert len(have()) == len(before[0]) + (6 if state == "started" else 0)
    assert network() == before


def test_failed_start_of_another_address(make_ip: Callable[..., Service]) -> None:
    """What this run has added goes again when a later resource fails, and what was there before stays."""
    service = make_ip(default={"ip#2": {"ipname": "10.9.0.6", "ipdev": "v0"}})
    before = network()
    service.start(rid="ip#2")
    ip("address", "delete", "10.9.0.6/24", "dev", "v0")
    ip("address", "add", "10.9.0.6/24", "dev", "v1", peer=True)
    refused(service.act("started"), "10.9.0.6")
    assert network() == before


def test_restart_in_check_mode(make_ip: Callable[..., Service]) -> None:
    """The list of commands is that of the real restart."""
    service = make_ip(gateway="10.9.0.2")
    service.start()
    planned = service.act("restarted", check_mode=True)
    assert commands(planned) == commands(service.restart())
    service.stop()
