# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wire with another machine at its end, and services that have one address. To be used inside tests/sandbox only.

What the node and the other machine have is read here without the code under test.
"""

from __future__ import annotations

import json
from itertools import count
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, run, wait_for

PEER = "peer"
_number = count(1)


def ip(*words: str, peer: bool = False, check: bool = True) -> str:
    """Run ip here, or on the other machine."""
    return run("ip", *(["-n", PEER] if peer else []), *words, check=check).stdout


def have(device: str = "v0", peer: bool = False) -> list[str]:
    """The addresses of an interface, as address/prefix, link-local ones left out."""
    links = json.loads(ip("-json", "address", "show", "dev", device, peer=peer))
    return [
        "%(local)s/%(prefixlen)d" % entry for link in links for entry in link["addr_info"] if entry["scope"] != "link"
    ]


def mac(device: str, peer: bool = False) -> str:
    """The MAC address of an interface."""
    return json.loads(ip("-json", "link", "show", "dev", device, peer=peer))[0]["address"]


@pytest.fixture
def wire() -> Iterator[None]:
    """An interface v0 in the network 10.9.0.0/24 and fd09::/64, and another machine at the other end of its wire."""
    ip("netns", "add", PEER)
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", PEER)
    for peer, device, host in ((False, "v0", 1), (True, "v1", 2)):
        ip("link", "set", device, "up", peer=peer)
        ip("link", "set", "lo", "up", peer=peer)
        ip("address", "add", "10.9.0.%d/24" % host, "dev", device, peer=peer)
        ip("address", "add", "fd09::%d/64" % host, "dev", device, "nodad", peer=peer)
    wait_for(_is_ready)
    yield
    ip("link", "delete", "v0", check=False)
    ip("netns", "delete", PEER)


def _is_ready() -> bool:
    """Whether the kernel has come to an end with v0: the routes of IPv6 come a moment after the address."""
    state = json.loads(ip("-json", "link", "show", "dev", "v0"))[0]["operstate"]
    routes = ip("-6", "route", "show", "table", "all", "dev", "v0")
    return state == "UP" and all(route in routes for route in ("local fd09::1", "fd09::/64", "multicast ff00::/8"))


@pytest.fixture
def make_ip(wire: None) -> Callable[..., Service]:
    """Makes a service with one address and nothing else."""

    def one(ipname: str = "10.9.0.5", default: dict[str, Any] | None = None, **keywords: Any) -> Service:
        section = {"ipname": ipname, "ipdev": "v0", **keywords}
        sections = {"container#0": None, "ip#1": section, **(default or {})}
        return Service("test/ip%d" % next(_number), docker_data_dir=None, **sections)

    return one


def commands(outcome: dict[str, Any]) -> list[str]:
    return [command["cmd"] for command in outcome["commands"]]


def network(device: str = "v0") -> tuple[Any, ...]:
    """All that a service could change here: addresses, rules and routes."""
    routes = ip("route", "show", "table", "all") + ip("-6", "route", "show", "table", "all")
    return have(device), ip("rule"), ip("-6", "rule"), [line for line in routes.splitlines() if "fe80" not in line]


def refused(outcome: dict[str, Any], *words: str) -> None:
    """The action failed with one sentence that holds these words, and ran nothing that changes something."""
    assert outcome["failed"], outcome
    for word in words:
        assert word in outcome["msg"], outcome["msg"]
    assert "\n" not in outcome["msg"]
    assert commands(outcome) == []


def remember(address: str) -> None:
    """Let the other machine know the address under the MAC address of the node that had it before."""
    ip("neighbour", "replace", address, "lladdr", "02:00:00:00:00:99", "dev", "v1", "nud", "reachable", peer=True)
