# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver ip and the wire: who else has the address, who must learn of it, and interfaces that cannot have it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from itertools import count
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import arp, ndp, neighbours
from ansible_collections.dockyard.svc.tests.support import COLLECTIONS, NODE, PATIENCE, Service, run, wait_for
from ansible_collections.dockyard.svc.tests.wire import (
    PEER,
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
MODULE = "ansible_collections.dockyard.svc.plugins.modules.service"
SENDER = """
import socket, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
wire.bind(("v1", 0))
frame = %r
while True:
    wire.send(frame)
    print("sent", flush=True)
    time.sleep(0.05)
"""


# Somebody else has the address


def test_a_second_interface_on_the_wire_is_nobody_else(make_ip: Callable[..., Service]) -> None:
    """A node with two interfaces on one wire answers its own probe through the other one, as Linux does by default."""
    ip("link", "add", "twin0", "type", "veth", "peer", "name", "twin1")
    try:
        for device in ("twin0", "twin1"):
            ip("link", "set", "dev", device, "up")
        ip("address", "add", "10.78.0.1/24", "dev", "twin0")
        service = make_ip("10.78.0.5", ipdev="twin0")
        service.start()
        assert service.state("ip#1") == "up"
        service.stop()
    finally:
        ip("link", "delete", "dev", "twin0")


def test_check_mode_asks_the_wire_too(make_ip: Callable[..., Service]) -> None:
    """A conflict is foretold; nothing but the question goes out."""
    ip("address", "add", "10.9.0.5/24", "dev", "v1", peer=True)
    refused(make_ip().act("started", check_mode=True), mac("v1", peer=True))


@pytest.mark.parametrize("address", ["10.9.0.5", "fd09::5"])
def test_address_in_use_elsewhere(make_ip: Callable[..., Service], address: str) -> None:
    """A machine that answers no ping is found all the same, and nothing is changed (F50, F51)."""
    run("ip", "netns", "exec", PEER, "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    run("ip", "netns", "exec", PEER, "sysctl", "-qw", "net.ipv6.icmp.echo_ignore_all=1")
    prefix = "24" if "." in address else "64"
    ip("address", "add", address + "/" + prefix, "dev", "v1", *(["nodad"] if ":" in address else []), peer=True)
    service, before = make_ip(address), network()
    refused(service.act("started"), mac("v1", peer=True), "another node")
    assert network() == before and service.state("ip#1") == "down"
    ip("address", "delete", address + "/" + prefix, "dev", "v1", peer=True)
    service.start()
    service.stop()


@pytest.mark.parametrize("rollback", [True, False])
@pytest.mark.parametrize("address", ["10.9.0.5", "fd09::5"])
def test_address_taken_in_the_same_moment(
    make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, address: str, rollback: bool
) -> None:
    """A conflict that shows only after the address was added takes it back, also without rollback (F50, F51)."""
    prefix = "24" if "." in address else "64"
    ip("address", "add", address + "/" + prefix, "dev", "v1", *(["nodad"] if ":" in address else []), peer=True)
    service, before = make_ip(address, {"rollback": rollback}), network()
    ask = neighbours.ask
    monkeypatch.setattr(neighbours, "ask", lambda *asked: ask(*asked) if have()[2:] != before[0][2:] else "")
    outcome = service.act("started")
    assert outcome["failed"] and "in use" in outcome["msg"], outcome["msg"]
    assert any("address add" in line for line in commands(outcome))
    assert network() == before and service.state("ip#1") == "down"
    assert not service.stop()["changed"]


@pytest.fixture
def other_sends() -> Iterator[Callable[[bytes], None]]:
    """Lets the other machine send a packet again and again."""
    senders: list[subprocess.Popen[bytes]] = []

    def send(frame: bytes) -> None:
        argv = ["ip", "netns", "exec", PEER, sys.executable, "-c", SENDER % frame]
        senders.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
        stdout = senders[-1].stdout
        assert stdout and stdout.readline()

    yield send
    for process in senders:
        process.kill()
        process.communicate()


def other_mac() -> bytes:
    """The MAC address of the other machine."""
    return bytes.fromhex(mac("v1", peer=True).replace(":", ""))


def test_conflict_found_by_the_next_start(make_ip: Callable[..., Service]) -> None:
    """What an interrupted start has added goes away when the next one finds that somebody else has it (F50)."""
    service, before = make_ip(), network()
    assert service.module(environment={"DOCKYARD_FAULT_AT": "3"}).wait() == -9
    assert "10.9.0.5/24" in have() and service.state("ip#1") == "warn"
    ip("address", "add", "10.9.0.5/24", "dev", "v1", peer=True)
    outcome = service.act("started")
    assert outcome["failed"] and mac("v1", peer=True) in outcome["msg"], outcome["msg"]
    assert network() == before and service.status()["overall"] == "down"


def test_objection_to_an_announcement(
    make_ip: Callable[..., Service], other_sends: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who defends the address while it is announced is believed."""
    service, before = make_ip(), network()
    monkeypatch.setattr(neighbours, "ask", lambda *_arguments: "")
    monkeypatch.setattr(neighbours, "ask_again", lambda *_arguments: "")
    other_sends(arp.announcements(other_mac(), socket.inet_aton("10.9.0.5"), False)[0])
    outcome = service.act("started")
    assert outcome["failed"] and mac("v1", peer=True) in outcome["msg"], outcome["msg"]
    assert network() == before


@pytest.mark.parametrize("address", ["10.9.0.5", "fd09::5"])
def test_another_node_is_about_to_take_it(
    make_ip: Callable[..., Service], other_sends: Callable[[bytes], None], address: str
) -> None:
    """Who asks for the same address at the same time is a conflict, before he has it (RFC 5227, RFC 4862)."""
    service, before = make_ip(address), network()
    language, family = (arp, socket.AF_INET) if "." in address else (ndp, socket.AF_INET6)
    other_sends(language.probe(other_mac(), socket.inet_pton(family, address)))
    refused(service.act("started"), mac("v1", peer=True))
    assert network() == before


@pytest.mark.parametrize("address", ["10.9.0.5", "fd09::5"])
def test_two_nodes_start_at_once(wire: None, address: str) -> None:
    """Of two machines that take an address at the same moment at most one gets it (F50)."""
    for _attempt in range(2):
        nodes = []
        for device, enter in (("v0", []), ("v1", ["ip", "netns", "exec", PEER])):
            raw = {"ip#1": {"ipname": address, "ipdev": device}}
            nodes.append((Service("test/" + device, docker_data_dir=None, **{"container#0": None}, **raw), enter))
        modules = [in_namespace(service, enter, "started") for service, enter in nodes]
        results = [module.communicate(timeout=60) for module in modules]
        outcomes = [
            json.loads(stdout)["services"][service.path] for (stdout, _stderr), (service, _enter) in zip(results, nodes)
        ]
        holders = [
            found for found in (have("v0"), have("v1", peer=True)) if any(address + "/" in item for item in found)
        ]
        assert len(holders) == sum(not outcome["failed"] for outcome in outcomes) <= 1, outcomes
        for service, enter in nodes:
            stdout, stderr = in_namespace(service, enter, "stopped").communicate(timeout=60)
            assert not json.loads(stdout).get("failed"), stdout + stderr


def in_namespace(service: Service, enter: list[str], state: str) -> subprocess.Popen[str]:
    """Run the module `service` on one of the machines."""
    process = subprocess.Popen(
        [*enter, "env", "PYTHONPATH=" + COLLECTIONS, sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    options = {"services": {service.path: service.raw}, "node": NODE, "state": state}
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    process.stdin.close()
    process.stdin = None
    return process


def test_interface_without_arp(make_ip: Callable[..., Service]) -> None:
    """Where nobody can be asked, the log says so."""
    ip("link", "set", "v0", "arp", "off")
    service = make_ip()
    outcome = service.start()
    assert any("cannot be asked" in line["text"] for line in outcome["log"])
    assert not any("arping" in line for line in commands(outcome))
    service.stop()


# Usable at once, and known to the neighbours


def test_ipv6_is_usable_when_the_start_ends(make_ip: Callable[..., Service]) -> None:
    """Who comes next can bind to the address (F52)."""
    make_ip("fd09::5").start()
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("fd09::5", 8080))


@pytest.mark.parametrize("address", ["10.9.0.5", "fd09::5"])
def test_neighbours_learn_it(make_ip: Callable[..., Service], address: str) -> None:
    """Who knew the address under another MAC address knows the new one when the start ends (F53)."""
    remember(address)
    service = make_ip(address)
    outcome = service.start()
    known = ip("neighbour", "show", address, peer=True)
    assert mac("v0") in known, known
    assert commands(outcome)[-1].startswith("arping -U" if "." in address else "ndsend")


@pytest.mark.parametrize("step", ["ask", "ask_again", "announce"])
def test_nothing_can_be_sent(make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A start without an answered question (F50) or a sent announcement (F53) has failed, and is taken back."""

    def fail(*_arguments: Any, **_keywords: Any) -> str:
        raise OSError(100, "Network is down")

    service, before = make_ip(gateway="10.9.0.2"), network()
    monkeypatch.setattr(neighbours, step, fail)
    outcome = service.act("started")
    assert outcome["failed"] and "Network is down" in outcome["msg"], outcome["msg"]
    assert step != "ask" or not outcome["commands"]
    assert network() == before


def test_dadfailed_is_not_up(make_ip: Callable[..., Service]) -> None:
    """An address that the kernel has found in use elsewhere is listed, and not up; a start removes it (F51)."""
    service = make_ip("fd09::5")
    service.start()
    ip("address", "delete", "fd09::5/64", "dev", "v0")
    ip("address", "add", "fd09::5/64", "dev", "v1", "nodad", peer=True)
    ip("address", "add", "fd09::5/64", "dev", "v0")
    wait_for(lambda: "dadfailed" in ip("address", "show", "dev", "v0"))
    assert service.state("ip#1") == "down" and "in use elsewhere" in service.remarks("ip#1")
    refused(service.act("started"), "in use")
    ip("address", "delete", "fd09::5/64", "dev", "v1", peer=True)
    assert service.start()["status"]["overall"] == "up"
    service.stop()


# Where it is, and what the wire is like


@pytest.mark.parametrize("address", ["10.9.0.5/24", "10.9.0.5/32"])
def test_address_on_another_interface(make_ip: Callable[..., Service], address: str) -> None:
    """It is said where the address is; it is not added a second time, and not taken away (F55)."""
    ip("address", "add", address, "dev", "lo")
    service, before = make_ip(), network()
    try:
        assert service.state("ip#1") == "warn" and "is on lo" in service.remarks("ip#1")
        refused(service.act("started"), "is on lo")
        refused(service.act("stopped"), "is on lo")
        assert network() == before and address in have("lo")
    finally:
        ip("address", "delete", address, "dev", "lo")


def test_address_moved_by_hand(make_ip: Callable[..., Service]) -> None:
    """An address that somebody has moved to another interface is no released address (F55, F59)."""
    service = make_ip()
    service.start()
    ip("address", "delete", "10.9.0.5/24", "dev", "v0")
    ip("address", "add", "10.9.0.5/32", "dev", "lo")
    outcome = service.act("stopped")
    ip("address", "delete", "10.9.0.5/32", "dev", "lo")
    assert outcome["failed"] and "is on lo" in outcome["msg"]
    service.stop()


def test_no_carrier(make_ip: Callable[..., Service]) -> None:
    """Without a carrier a start is refused, and an address that is there is not up (F56)."""
    service = make_ip()
    ip("link", "set", "v1", "down", peer=True)
    assert service.state("ip#1") == "down" and "no carrier" in service.remarks("ip#1")
    refused(service.act("started"), "no carrier")
    ip("link", "set", "v1", "up", peer=True)
    wait_for(lambda: "LOWER_UP" in ip("link", "show", "dev", "v0"))
    service.start()
    ip("link", "set", "v1", "down", peer=True)
    assert service.state("ip#1") == "warn" and "no carrier" in service.remarks("ip#1")
    service.stop()


def test_interface_switched_off_and_on(make_ip: Callable[..., Service]) -> None:
    """An IPv6 address is gone after that: the status says so, and a start brings it back (F56)."""
    service = make_ip("fd09::5")
    service.start()
    ip("link", "set", "v0", "down")
    assert service.state("ip#1") == "down"
    refused(service.act("started"), "switched off")
    ip("link", "set", "v0", "up")
    wait_for(lambda: "LOWER_UP" in ip("link", "show", "dev", "v0"))
    assert service.state("ip#1") == "down"
    ip("address", "add", "fd09::1/64", "dev", "v0", "nodad")
    assert service.start()["status"]["overall"] == "up"
    service.stop()


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"ipdev": "nosuch0"}, ["no interface nosuch0", "v0"]),
        ({"ipname": "10.77.0.5"}, ["no network of v0", "netmask"]),
        ({"ipname": "10.9.0.255"}, ["broadcast address"]),
        ({"gateway": "10.77.0.1"}, ["not in the network"]),
    ],
)
def test_refusals(make_ip: Callable[..., Service], keywords: dict[str, Any], words: list[str]) -> None:
    """What cannot work is refused before anything is changed."""
    service, before = make_ip(**keywords), network()
    assert service.state("ip#1") == "down"
    refused(service.act("started"), *words)
    assert network() == before
    assert not service.stop()["changed"]


def test_port_of_a_bridge(make_ip: Callable[..., Service]) -> None:
    """An address on a port of a bridge would reach nobody."""
    ip("link", "add", "br9", "type", "bridge")
    ip("link", "set", "v0", "master", "br9")
    try:
        refused(make_ip().act("started"), "port of br9")
    finally:
        ip("link", "delete", "br9")


def test_clock_that_jumps(make_ip: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait goes by the time of day."""
    jumps = count(-(10**9), 10**6)
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    began = time.monotonic()
    for address in ("10.9.0.5", "fd09::5"):
        service = make_ip(address)
        service.start()
        service.stop()
    assert time.monotonic() - began < PATIENCE


def test_ipv6_switched_off(make_ip: Callable[..., Service]) -> None:
    """An interface without IPv6 is named."""
    run("sysctl", "-qw", "net.ipv6.conf.v0.disable_ipv6=1")
    refused(make_ip("fd09::5", netmask=64).act("started"), "disable_ipv6")


@pytest.mark.parametrize(
    ("address", "words", "state"),
    [
        (["10.9.0.5/16"], "prefix length 16", "warn"),
        (["10.9.0.5/24", "label", "v0:x"], "label v0:x", "warn"),
        (["10.9.0.5/24"], "label v0", "warn"),
    ],
)
def test_not_as_declared(make_ip: Callable[..., Service], address: list[str], words: str, state: str) -> None:
    """An address with another prefix or label is reported; a start refuses, a restart mends it."""
    service = make_ip(ipdev="v0:app", netmask=24)
    service.start()
    ip("address", "delete", "10.9.0.5/24", "dev", "v0")
    ip("address", "add", *address, "dev", "v0")
    assert service.state("ip#1") == state and words in service.remarks("ip#1")
    refused(service.act("started"), words)
    assert service.restart()["status"]["overall"] == "up"
    service.stop()
