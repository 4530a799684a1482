# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The network of one service: a bridge, its subnet, and an nftables table of its own.

Nothing is shared with another service or with the node's own daemon: not docker0, not the chains of iptables. All
that a service has here carries its short id in the name, and goes away with the daemon.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from . import files, locks
from .commands import Runner, execute
from .errors import CommandFailed, NodeError, Undetermined
from .journal import Journal

PREFIX = "dy"
_DEADLINE = 30.0
_LARGEST, _SMALLEST = 8, 27  # prefix lengths of the networks that a service may have
_RULES = (
    "add table ip {table}; flush table ip {table}; "
    "add chain ip {table} outbound {{ type nat hook postrouting priority srcnat ; }}; "
    'add rule ip {table} outbound ip saddr {network} oifname != "{bridge}" masquerade; '
    "add chain ip {table} isolation {{ type filter hook forward priority filter ; }}; "
    'add rule ip {table} isolation iifname "{bridge}" oifname != "{bridge}" oifname "{prefix}*" drop; '
    'add rule ip {table} isolation oifname "{bridge}" iifname != "{bridge}" ct state established,related accept; '
    'add rule ip {table} isolation oifname "{bridge}" iifname != "{bridge}" drop'
)
"""Masquerade what leaves the node; let nothing new in but through the daemon's proxy, nor over to another service."""


@dataclass(frozen=True)
class Subnet:
    """The network of a service, split in two."""

    network: ipaddress.IPv4Network

    @property
    def bridge(self) -> ipaddress.IPv4Network:
        """The half of the service's bridge."""
        return next(iter(self.network.subnets(1)))

    @property
    def gateway(self) -> str:
        """The address of the bridge with its prefix length."""
        return "%s/%d" % (self.bridge.network_address + 1, self.bridge.prefixlen)

    @property
    def pool(self) -> str:
        """The half for networks that people make, as dockerd wants it: small networks of 16 addresses, or 8 in a small half."""
        upper = list(self.network.subnets(1))[1]
        return "base=%s,size=%d" % (upper, min(29, max(28, upper.prefixlen)))


class SubnetRegistry:
    """Which service of the node has which subnet, kept in one file so that a restart gives the same one again."""

    def __init__(self, file: str, pool: str):
        self._file = file
        self._pool = ipaddress.IPv4Network(pool)
        self._imagined: Dict[str, str] = {}

    def find(self, service: str) -> Optional[Subnet]:
        """The subnet that a service has, None when it has none yet."""
        network = _network(self._read().get(service))
        return Subnet(network) if network else None

    def choose(self, service: str, wanted: Optional[str]) -> Subnet:
        """The subnet that a service has or would get. Raises NodeError when it is taken or none is free."""
        own = self.find(service)
        if wanted is None and own:
            return own
        written = {name: _network(text) for name, text in self._read().items() if name != service}
        others = {name: network for name, network in written.items() if network}
        if wanted is not None:
            network = ipaddress.IPv4Network(wanted)
            for name, other in others.items():
                if network.overlaps(other):
                    raise NodeError("the network %s overlaps %s of service %s" % (network, other, name))
            return Subnet(network)
        taken = list(others.values()) + _networks_of_node()
        for network in self._pool.subnets(new_prefix=max(24, self._pool.prefixlen)):
            if not any(network.overlaps(other) for other in taken):
                return Subnet(network)
        raise NodeError(
            "no network is left in %s for service %s: choose a larger dockyard_network_pool, or give it a docker_subnet"
            % (self._pool, service)
        )

    def reserve(self, service: str, short_id: str, declared: Optional[str], check_mode: bool) -> Subnet:
        """The subnet of a service from now on: what is declared, what it has, what its bridge has, or a free one.

        Raises NodeError when it is taken or none is free.
        """
        wanted = declared if declared or self.find(service) else network_in_use(short_id)
        return (self.imagine if check_mode else self.take)(service, wanted)

    def imagine(self, service: str, wanted: Optional[str]) -> Subnet:
        """Choose a subnet for check mode: remembered for the next one that asks, and not written down."""
        subnet = self.choose(service, wanted)
        self._imagined[service] = str(subnet.network)
        return subnet

    def take(self, service: str, wanted: Optional[str]) -> Subnet:
        """Choose a subnet and write it down, one service of the node after the other."""
        with locks.held(self._file + ".lock", "the subnets"):
            subnet = self.choose(service, wanted)
            table = self._read()
            if table.get(service) != str(subnet.network):
                table[service] = str(subnet.network)
                files.write_whole(self._file, json.dumps(table, indent=1, sort_keys=True) + "\n")
            return subnet

    def _read(self) -> Dict[str, Any]:
        table = files.read_json(self._file)
        written = table if isinstance(table, dict) else {}
        return {**written, **self._imagined}


class Bridge:
    """The bridge of one service."""

    def __init__(self, short_id: str, run: Runner):
        self.name = PREFIX + short_id
        self.table = "dockyard_" + short_id
        self._run = run
        self._gone = False

    def exists(self) -> bool:
        """Whether the node has the interface."""
        return not self._gone and self.name in (name for _index, name in socket.if_nameindex())

    def problem(self) -> str:
        """What somebody has taken away while the daemon runs, an empty string when all is there."""
        link = self._link()
        if not link:
            return "the bridge %s is gone, and with it the network of the containers: restart the service" % self.name
        if "UP" not in link.get("flags", []) or not _addresses(link):
            return "the bridge %s is down or has lost its address, a start brings it back" % self.name
        return self._rules_problem()

    def subnet(self) -> Optional[Subnet]:
        """The subnet that the bridge was made for, None when there is none, or without its address. Raises Undetermined."""
        interfaces = [ipaddress.IPv4Interface(address) for address in _addresses(self._link())]
        return Subnet(interfaces[0].network.supernet(1)) if interfaces else None

    def start(self, subnet: Subnet) -> None:
        """Make the bridge, its address and its rules, as far as they are missing."""
        link = self._link()
        if not link:
            self._run.change(["ip", "link", "add", "name", self.name, "type", "bridge"], _DEADLINE)
        if subnet.gateway not in _addresses(link):
            self._run.change(["ip", "address", "add", subnet.gateway, "dev", self.name], _DEADLINE)
        if "UP" not in link.get("flags", []):
            self._run.change(["ip", "link", "set", "dev", self.name, "up"], _DEADLINE)
        if not link or self._rules_problem():
            self._run.change(["nft", self._rules(subnet)], _DEADLINE)

    def stop(self) -> None:
        """Take the rules and the bridge away, as far as they are there."""
        if self.has_table():
            self._run.change(["nft", "delete table ip %s" % self.table], _DEADLINE)
        if self.exists():
            self._run.change(["ip", "link", "delete", "dev", self.name], _DEADLINE)
        self._gone = self._run.check_mode

    def _rules(self, subnet: Subnet) -> str:
        return _RULES.format(table=self.table, bridge=self.name, prefix=PREFIX, network=subnet.bridge)

    def has_table(self) -> bool:
        """Whether the node has the table of the service. Raises Undetermined."""
        if self._gone:
            return False
        tables = _json(["nft", "--json", "list", "tables"])
        return any(item.get("table", {}).get("name") == self.table for item in tables.get("nftables", []))

    def _rules_problem(self) -> str:
        """Which rules somebody has removed, with the table, by a flush, or one by one. Raises Undetermined."""
        try:
            content = _json(["nft", "--json", "list", "table", "ip", self.table])
        except Undetermined:
            if self.has_table():
                raise
            return "the nftables table %s is gone, a start brings it back" % self.table
        if sum("rule" in item for item in content.get("nftables", [])) < _RULES.count("add rule"):
            return "the nftables table %s has lost rules, a start brings them back" % self.table
        return ""

    def _link(self) -> Dict[str, Any]:
        """The flags and addresses of the interface, empty when there is none."""
        if not self.exists():
            return {}
        links: List[Dict[str, Any]] = _json(["ip", "-json", "address", "show", "dev", self.name])
        return next((link for link in links if link), {})


def network_in_use(short_id: str) -> Optional[str]:
    """The network of a service by the bridge that it has, also when the table of subnets was lost. Raises Undetermined."""
    subnet = Bridge(short_id, Runner(Journal(""))).subnet()
    return str(subnet.network) if subnet else None


def _addresses(link: Dict[str, Any]) -> List[str]:
    """The IPv4 addresses of an interface with their prefix lengths."""
    infos = [info for info in link.get("addr_info", []) if info.get("family") == "inet"]
    return ["%s/%d" % (info["local"], info["prefixlen"]) for info in infos]


def _networks_of_node() -> List[ipaddress.IPv4Network]:
    """The networks that the node has a route to, its default route left out."""
    routes = _json(["ip", "-json", "-4", "route", "show", "table", "main"])
    found = []
    for route in routes:
        try:
            network = ipaddress.IPv4Network(route["dst"])
        except (KeyError, ValueError):
            continue
        if network.prefixlen:
            found.append(network)
    return found


def _json(argv: List[str]) -> Any:
    """What a reading command prints. Raises Undetermined when it fails."""
    try:
        result = execute(argv, _DEADLINE)
    except CommandFailed as error:
        raise Undetermined(str(error)) from error
    if result.rc:
        raise Undetermined(str(CommandFailed(argv, result.rc, result.stdout, result.stderr)))
    return json.loads(result.stdout or "{}")


def _network(text: object) -> Optional[ipaddress.IPv4Network]:
    """A network in the file, None for anything that cannot be used: that is of no use to anybody, and no reason to fail."""
    try:
        network = ipaddress.IPv4Network(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return network if network and _LARGEST <= network.prefixlen <= _SMALLEST else None
