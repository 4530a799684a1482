# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ip -json address show` prints, and what is made of it."""

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import addresses
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Result
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import CommandFailed, Undetermined


def link(*entries, **facts):
    return {
        "ifindex": 2,
        "ifname": "eth0",
        "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
        "operstate": "UP",
        "link_type": "ether",
        "address": "52:54:00:12:34:56",
        "addr_info": list(entries),
        **facts,
    }


def entry(text, **facts):
    local, _slash, prefix = text.partition("/")
    family = "inet6" if ":" in local else "inet"
    return {"family": family, "local": local, "prefixlen": int(prefix), "scope": "global", **facts}


def one(*entries, **facts):
    return addresses.parse([link(*entries, **facts)])[0]


def test_an_interface_with_addresses():
    found = one(
        entry("10.9.0.1/24", label="eth0", broadcast="10.9.0.255"),
        entry("10.9.0.5/24", label="eth0:app", secondary=True),
        entry("2001:db8::5/64", tentative=True, dadfailed=True),
        altnames=["enp1s0"],
    )
    assert [str(address) for address in found.addresses] == ["10.9.0.1/24", "10.9.0.5/24", "2001:db8::5/64"]
    assert found.addresses[1].label == "eth0:app" and found.addresses[1].flags == {"secondary"}
    assert found.addresses[2].flags == {"tentative", "dadfailed"}
    assert found.mac == "52:54:00:12:34:56"
    assert addresses.find_link([found], "enp1s0") is found
    assert addresses.find_link([found], "eth1") is None


def test_empty_entries_of_older_versions():
    assert addresses.parse([{}, link({}, entry("10.9.0.1/24"))])[0].addresses[0].prefix == 24


@pytest.mark.parametrize("value", [None, 5, ["x"], [{"ifname": "eth0"}], [link(entry("nonsense/24"))], {"a": 1}])
def test_what_is_not_understood(value):
    with pytest.raises(Undetermined):
        addresses.parse(value)


@pytest.mark.parametrize(
    ("flags", "operstate", "up", "carrier"),
    [
        (["UP", "LOWER_UP"], "UP", True, True),
        (["UP", "LOWER_UP"], "UNKNOWN", True, True),
        (["UP", "NO-CARRIER"], "DOWN", True, False),
        (["UP", "M-DOWN"], "LOWERLAYERDOWN", True, False),
        (["UP", "LOWER_UP"], "DORMANT", True, False),
        (["BROADCAST"], "DOWN", False, False),
    ],
)
def test_carrier(flags, operstate, up, carrier):
    found = one(flags=flags, operstate=operstate)
    assert (found.is_up, found.has_carrier) == (up, carrier)


@pytest.mark.parametrize(
    ("facts", "asks"),
    [
        ({}, True),
        ({"flags": ["UP", "LOWER_UP", "NOARP"]}, False),
        ({"link_type": "loopback", "flags": ["LOOPBACK", "UP"]}, False),
        ({"link_type": "none"}, False),
        ({"link_type": "infiniband"}, False),
    ],
)
def test_who_can_be_asked(facts, asks):
    assert one(**facts).asks_neighbours is asks


def test_the_narrowest_network_of_an_interface():
    found = one(entry("10.0.0.1/8"), entry("10.9.0.1/24"), entry("10.9.0.9/32"), entry("10.9.0.5/16"))
    address = ipaddress.ip_address("10.9.0.5")
    assert found.network_of(address).prefix == 24
    assert found.network_of(ipaddress.ip_address("192.0.2.1")) is None
    assert found.network_of(ipaddress.ip_address("2001:db8::1")) is None


def test_what_goes_with_a_primary_address():
    found = one(
        entry("10.9.0.5/24"),
        entry("10.9.0.6/24", secondary=True),
        entry("10.9.0.7/25"),
        entry("10.77.0.6/24", secondary=True),
        entry("2001:db8::5/64"),
    )
    assert [str(other) for other in found.secondaries(found.addresses[0])] == ["10.9.0.6/24"]
    assert found.secondaries(found.addresses[1]) == []
    assert found.secondaries(found.addresses[4]) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (entry("10.9.0.5/24", label="eth0"), "10.9.0.5/24 dev eth0"),
        (
            entry("10.9.0.5/24", label="eth0:a", broadcast="10.9.0.255"),
            "10.9.0.5/24 dev eth0 broadcast 10.9.0.255 label eth0:a",
        ),
        (entry("10.9.0.5/24", scope="link"), "10.9.0.5/24 dev eth0 scope link"),
        (entry("10.9.0.5/32", address="10.9.0.9"), "10.9.0.5 peer 10.9.0.9/32 dev eth0"),
        (entry("2001:db8::5/64"), "2001:db8::5/64 dev eth0"),
    ],
)
def test_the_command_that_adds_an_address_again(given, words):
    assert addresses.add_command("eth0", one(given).addresses[0]) == ["ip", "address", "add", *words.split()]


@pytest.mark.parametrize(
    "outcome",
    [Result(1, "", "Cannot open netlink socket"), Result(0, "nonsense"), CommandFailed(["ip"], None, "", "", "late")],
)
def test_a_look_that_fails_tells_nothing(monkeypatch, outcome):
    def execute(_argv, _deadline):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(addresses, "execute", execute)
    with pytest.raises(Undetermined):
        addresses.read()


@pytest.mark.parametrize("value", [[], [{}]])
def test_no_interface_at_all_is_no_answer(value):
    """A tool that fails without saying so must not make every address look absent."""
    with pytest.raises(Undetermined, match="no interface at all"):
        addresses.parse(value)


@pytest.mark.parametrize(
    ("facts", "shown", "port"),
    [
        ({}, None, False),
        ({"master": "br0"}, [{"linkinfo": {"info_kind": "veth", "info_slave_kind": "bridge"}}], True),
        ({"master": "team0"}, [{"linkinfo": {"info_slave_kind": "team"}}], True),
        ({"master": "x0"}, [{}], True),
        ({"master": "blue"}, [{"linkinfo": {"info_slave_kind": "vrf"}}], False),
    ],
)
def test_ports(monkeypatch, facts, shown, port):
    monkeypatch.setattr(addresses, "execute", lambda *_arguments: Result(0, json.dumps(shown)))
    assert addresses.is_port(one(**facts)) is port


@pytest.mark.parametrize("shown", [[], [5], 5])
def test_ports_that_cannot_be_told(monkeypatch, shown):
    monkeypatch.setattr(addresses, "execute", lambda *_arguments: Result(0, json.dumps(shown)))
    with pytest.raises(Undetermined):
        addresses.is_port(one(master="br0"))


def test_how_long_an_address_stays():
    found = one(
        entry("10.9.0.5/24", dynamic=True, valid_life_time=3000, preferred_life_time=100),
        entry("10.9.0.6/24", valid_life_time=4294967295, deprecated=True),
        entry("10.9.0.7/24", dynamic=True),
    )
    assert [address.seconds for address in found.addresses] == [3000, None, None]
    assert found.addresses[1].flags == {"deprecated"}
