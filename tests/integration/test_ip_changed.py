# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver ip when somebody changes things while the address is up, and when commands do not end as they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import addresses, clock, neighbours
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.support import Service, wait_for
from ansible_collections.dockyard.svc.tests.wire import PEER, commands, have, ip, make_ip, network, refused, wire

__all__ = ["make_ip", "wire"]
ADDED_AND_KILLED = 'case "$*" in "address add"*) $REAL "$@"; kill -9 $$;; esac; exec $REAL "$@"'
REMOVAL_FAILS = (
    'case "$*" in "address add"*) $REAL "$@"; kill -9 $$;; "address delete"*) exit 1;; esac; exec $REAL "$@"'
)


# A command that is killed after it has worked


@pytest.mark.parametrize("address", ["10.9.0.5", "fd09::5"])
@pytest.mark.parametrize("alone", [False, True])
def test_killed_after_it_was_added(make_ip: Callable[..., Service], address: str, alone: bool) -> None:
    """What it has added is taken back, also on an interface that has no other address."""
    if alone:
        ip("address", "flush", "dev", "v0", "scope", "global")
    service = make_ip(address, netmask=64 if ":" in address else 24)
    before = have()
    with replaced("ip", ADDED_AND_KILLED):
        outcome = service.act("started")
    assert outcome["failed"] and "taken back: ip#1" in outcome["msg"], outcome["msg"]
    assert have() == before
    assert not service.stop()["changed"]
    service.start()
    service.stop()


def test_killed_after_it_was_added_and_not_taken_back(make_ip: Callable[..., Service]) -> None:
    """As long as it is there it is known: status tells, a start goes on, a stop removes it."""
    ip("address", "flush", "dev", "v0", "scope", "global")
    for then in ("started", "stopped"):
        service = make_ip(netmask=24)
        with replaced("ip", REMOVAL_FAILS):
            outcome = service.act("started")
        assert outcome["failed"] and "NOT taken back: ip#1" in outcome["msg"], outcome["msg"]
        assert have() == ["10.9.0.5/24"]
        assert service.state("ip#1") == "warn" and "interrupted" in service.remarks("ip#1")
        assert not service.act(then)["failed"]
        service.stop()
        assert have() == []


def test_conflict_that_cannot_be_taken_back(make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is given up at once; when that fails, it is tried again, and never forgotten before it is gone."""
    service = make_ip()
    monkeypatch.setattr(neighbours, "ask_again", lambda *_arguments: "02:00:00:00:00:99")
    with replaced("ip", 'case "$*" in "address delete"*) exit 1;; esac; exec $REAL "$@"'):
        assert "NOT taken back: ip#1" in service.act("started")["msg"]
    assert "10.9.0.5/24" in have() and "interrupted" in service.remarks("ip#1")
    assert service.stop()["changed"]
    assert "10.9.0.5/24" not in have()


# The same address a second time


@pytest.mark.parametrize("first", [False, True], ids=["beside others", "as the first"])
@pytest.mark.parametrize("prefix", [32, 16])
def test_second_prefix(make_ip: Callable[..., Service], prefix: int, first: bool) -> None:
    """A stop takes away what the start has added and nothing else; the address is not released, and check mode says so."""
    if first:
        ip("address", "delete", "10.9.0.1/24", "dev", "v0")
    service, other = make_ip(netmask=24), "10.9.0.5/%d" % prefix
    service.start()
    ip("address", "add", other, "dev", "v0", "label", "v0:other")
    if first:
        ip("address", "add", "10.9.0.7/24", "dev", "v0")
    before = have()
    way_out = "ip address delete %s dev v0" % other
    assert service.state("ip#1") == "warn" and way_out in service.remarks("ip#1")
    refused(service.act("started"), way_out)
    planned, outcome = service.act("stopped", check_mode=True), service.act("stopped")
    assert planned["failed"] and planned["msg"] == outcome["msg"] and way_out in outcome["msg"], outcome["msg"]
    assert "kernel" not in outcome["msg"]
    assert commands(planned) == commands(outcome)
    assert set(before) - set(have()) == {"10.9.0.5/24"}
    refused(service.act("stopped"), way_out)
    assert other in have()
    ip("address", "delete", other, "dev", "v0")
    assert not service.stop()["changed"]


# The interface, and the address as it is on it


def test_made_a_port_of_a_bridge(make_ip: Callable[..., Service]) -> None:
    """Nobody reaches the address any more: that is no state to be up in."""
    service = make_ip()
    service.start()
    ip("link", "add", "br9", "type", "bridge")
    try:
        ip("link", "set", "v0", "master", "br9")
        assert service.state("ip#1") == "warn" and "v0 is a port of br9" in service.remarks("ip#1")
        refused(service.act("started"), "v0 is a port of br9")
        service.stop()
    finally:
        ip("link", "delete", "br9")


def test_interface_that_left(make_ip: Callable[..., Service]) -> None:
    """With an interface that went to another network namespace the address is gone; what is left of it is taken away."""
    service = make_ip(gateway="10.9.0.2")
    service.start()
    ip("link", "set", "v0", "netns", "peer")
    status = service.status()["resources"]["ip#1"]
    assert status["state"] == "down" and "no interface v0" in service.remarks("ip#1")
    assert "10.9.0.5" in service.remarks("ip#1")
    refused(service.act("started"), "no interface v0")
    assert service.stop()["changed"]
    assert "10.9.0.5" not in ip("rule")


def test_interface_renamed(make_ip: Callable[..., Service]) -> None:
    """The address is still the service's, and a stop takes it away."""
    service, before = make_ip(gateway="10.9.0.2"), network()
    service.start()
    try:
        for change in (["down"], ["name", "w0"], ["up"]):
            ip("link", "set", "v0" if change[0] != "up" else "w0", *change)
        assert service.state("ip#1") == "warn" and "10.9.0.5 is on w0, where the service" in service.remarks("ip#1")
        refused(service.act("started"), "no interface v0")
        service.stop()
        assert "10.9.0.5/24" not in have("w0") and ip("rule") == before[1]
    finally:
        ip("link", "set", "w0", "down")
        ip("link", "set", "w0", "name", "v0")


def test_interface_made_anew(make_ip: Callable[..., Service]) -> None:
    """The address has gone with the old one; a start brings it back, and mends the routing that has lost its interface."""
    service = make_ip(gateway="10.9.0.2")
    service.start()
    ip("link", "delete", "v0")
    assert service.state("ip#1") == "down" and "10.9.0.5 are left" in service.remarks("ip#1")
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", PEER)
    ip("link", "set", "v1", "up", peer=True)
    ip("link", "set", "v0", "up")
    ip("address", "add", "10.9.0.1/24", "dev", "v0")
    wait_for(lambda: '"operstate":"UP"' in ip("-json", "link", "show", "dev", "v0"))
    planned = service.act("started", check_mode=True)
    assert commands(planned) == commands(service.start())
    assert service.status()["overall"] == "up"
    service.stop()
    assert "10.9.0.5" not in ip("rule")


@pytest.mark.parametrize("lifetime", [["valid_lft", "600", "preferred_lft", "600"], []], ids=["by DHCP", "for good"])
def test_record_of_an_earlier_boot(make_ip: Callable[..., Service], lifetime: list[str]) -> None:
    """A reboot takes every address away: one that is there after it was not added by the start before it."""
    service = make_ip()
    service.start()
    record = Path(service.machine.state_folder, "record.json")
    record.write_text(record.read_text(encoding="ascii").replace(clock.boot_id(), "an earlier boot"), encoding="ascii")
    ip("address", "delete", "10.9.0.5/24", "dev", "v0")
    assert service.status()["overall"] == "down" and not service.stop(check_mode=True)["changed"]
    ip("address", "add", "10.9.0.5/24", "dev", "v0", *lifetime)
    assert service.state("ip#1") == "warn"
    refused(service.act("stopped"), "DHCP" if lifetime else "has not added it")
    assert "10.9.0.5/24" in have()
    ip("address", "delete", "10.9.0.5/24", "dev", "v0")
    service.start()
    assert service.machine.record.read() is None and service.machine.record.claimed_since_boot() == ["ip#1"]
    service.stop()


def test_setting_of_an_earlier_boot(make_ip: Callable[..., Service]) -> None:
    """What a removal had switched on before a reboot is the node's own setting after it."""
    service = make_ip()
    service.start()
    record, setting = Path(service.machine.state_folder, "record.json"), Path(addresses.promote_file("v0"))
    for boot, then in ((clock.boot_id(), "0"), ("an earlier boot", "1")):
        value = json.loads(record.read_text(encoding="ascii"))
        value["promote_secondaries"] = {"ip#1": {"dev": "v0", "boot": boot}}
        record.write_text(json.dumps(value), encoding="ascii")
        setting.write_text("1", encoding="ascii")
        assert ("promote_secondaries" in service.remarks("ip#1")) == (then == "0")
        service.start()
        assert setting.read_text(encoding="ascii").strip() == then
    service.stop()
    assert setting.read_text(encoding="ascii").strip() == "1"


@pytest.mark.parametrize("address", ["10.9.0.5/24", "fd09::5/64"])
def test_lifetime_made_finite(make_ip: Callable[..., Service], address: str) -> None:
    """It is the service's as before; the status tells when it goes, and how to let it stay."""
    service = make_ip(address.partition("/")[0])
    service.start()
    ip("address", "change", address, "dev", "v0", "valid_lft", "3000", "preferred_lft", "3000")
    command = "ip address change %s dev v0 valid_lft forever preferred_lft forever" % address
    assert service.state("ip#1") == "warn" and command in service.remarks("ip#1")
    refused(service.act("started"), command)
    ip(*command.split()[1:])
    assert service.state("ip#1") == "up" and service.start()["commands"] == []
    ip("address", "change", address, "dev", "v0", "valid_lft", "3000", "preferred_lft", "3000")
    service.stop()
    assert address not in have()


def test_deprecated(make_ip: Callable[..., Service]) -> None:
    """An IPv6 address that nothing new goes out from is up, and said to be so."""
    service = make_ip("fd09::5")
    service.start()
    ip("address", "change", "fd09::5/64", "dev", "v0", "preferred_lft", "0")
    assert service.status()["overall"] == "up" and "deprecated" in service.remarks("ip#1")
    service.stop()
