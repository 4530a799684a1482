# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The addresses and interfaces of the node, read through `ip -json`, and the lock under which an interface is changed."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from typing import Any, ContextManager, Dict, FrozenSet, List, Optional, Tuple, Union

from . import locks
from .commands import execute
from .errors import CommandFailed, Undetermined

IpAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

DEADLINE = 10.0
_FLAGS = ("secondary", "dynamic", "tentative", "dadfailed", "temporary", "mngtmpaddr", "deprecated")
_MASTERS_WITHOUT_PORTS = ("vrf",)


@dataclass(frozen=True)
class Address:
    """One address of an interface. `flags` are those words of ip-address(8) that are true of it.

    `seconds` is how long it stays when it is not for good.
    """

    local: IpAddress
    prefix: int
    label: str = ""
    broadcast: str = ""
    scope: str = "global"
    peer: str = ""
    flags: FrozenSet[str] = frozenset()
    seconds: Optional[int] = None

    @property
    def network(self) -> Union[ipaddress.IPv4Network, ipaddress.IPv6Network]:
        """The network that the address and its prefix tell."""
        return ipaddress.ip_network((self.local, self.prefix), strict=False)

    @property
    def key(self) -> Tuple[str, int, str]:
        """What makes it one and the same to the kernel."""
        return (str(self.local), self.prefix, self.peer)

    def __str__(self) -> str:
        return "%s/%d" % (self.local, self.prefix)


@dataclass(frozen=True)
class Link:
    """One interface with its addresses. `mac` is empty where there is none."""

    name: str
    index: int
    kind: str
    mac: str
    flags: FrozenSet[str]
    operstate: str
    other_names: Tuple[str, ...]
    addresses: Tuple[Address, ...]
    master: str = ""

    @property
    def is_up(self) -> bool:
        """Whether an administrator has switched it on."""
        return "UP" in self.flags

    @property
    def has_carrier(self) -> bool:
        """Whether the wire is there. Some drivers tell nothing (UNKNOWN) and are believed to have one."""
        return (
            "LOWER_UP" in self.flags
            and "NO-CARRIER" not in self.flags
            and self.operstate not in ("DOWN", "LOWERLAYERDOWN", "NOTPRESENT", "DORMANT")
        )

    @property
    def asks_neighbours(self) -> bool:
        """Whether addresses are resolved on it, by ARP or by neighbour discovery, over Ethernet."""
        return self.kind == "ether" and bool(self.mac) and not self.flags & {"NOARP", "LOOPBACK"}

    def find(self, address: IpAddress) -> List[Address]:
        """The entries of an address, which can be there more than once with different prefixes."""
        return [entry for entry in self.addresses if entry.local == address]

    def network_of(self, address: IpAddress) -> Optional[Address]:
        """The address of the interface in whose network `address` is, the narrowest first; not `address` itself."""
        around = [
            entry
            for entry in self.addresses
            if entry.local != address
            and not entry.peer
            and entry.local.version == address.version
            and entry.network.num_addresses > 1
            and address in entry.network
        ]
        return max(around, key=lambda entry: entry.prefix, default=None)

    def secondaries(self, primary: Address) -> List[Address]:
        """The IPv4 addresses that the kernel removes together with `primary`, unless it promotes secondaries."""
        if primary.local.version == 6 or "secondary" in primary.flags:
            return []
        return [
            entry
            for entry in self.addresses
            if "secondary" in entry.flags and entry.prefix == primary.prefix and entry.network == primary.network
        ]


def read() -> List[Link]:
    """The interfaces of the node with their addresses. Raises Undetermined."""
    return parse(_read_json(["ip", "-json", "address", "show"]))


def parse(value: Any) -> List[Link]:
    """What `ip -json address show` printed. Raises Undetermined for what is not understood: no node is without a loopback."""
    try:
        links = [_link(item) for item in value if item]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Undetermined("the output of 'ip -json address show' was not understood: %r" % error) from error
    if not links:
        raise Undetermined("'ip -json address show' shows no interface at all, not even the loopback")
    return links


def _link(item: Dict[str, Any]) -> Link:
    return Link(
        name=item["ifname"],
        index=int(item["ifindex"]),
        kind=item.get("link_type", ""),
        mac=item.get("address", "") if item.get("link_type") == "ether" else "",
        flags=frozenset(item["flags"]),
        operstate=item.get("operstate", "UNKNOWN"),
        other_names=tuple(item.get("altnames", ())),
        addresses=tuple(
            _address(entry) for entry in item["addr_info"] if entry and entry.get("family") in ("inet", "inet6")
        ),
        master=item.get("master", ""),
    )


def _address(entry: Dict[str, Any]) -> Address:
    return Address(
        local=ipaddress.ip_address(entry["local"]),
        prefix=int(entry["prefixlen"]),
        label=entry.get("label", ""),
        broadcast=entry.get("broadcast", ""),
        scope=str(entry.get("scope", "global")),
        peer=entry.get("address", ""),
        flags=frozenset(flag for flag in _FLAGS if entry.get(flag)),
        seconds=int(entry["valid_life_time"]) if entry.get("dynamic") and "valid_life_time" in entry else None,
    )


def find_link(links: List[Link], name: str) -> Optional[Link]:
    """The interface with this name, be it an alternative one."""
    return next((link for link in links if name == link.name or name in link.other_names), None)


def places(links: List[Link], address: IpAddress) -> List[str]:
    """The names of the interfaces that have an address."""
    return [link.name for link in links if link.find(address)]


def add_command(device: str, address: Address) -> List[str]:
    """The command that gives an interface an address."""
    peer = ["peer", "%s/%d" % (address.peer, address.prefix)] if address.peer else []
    words = ["ip", "address", "add", str(address.local) if peer else str(address), *peer, "dev", device]
    if address.broadcast:
        words += ["broadcast", address.broadcast]
    if address.scope != "global":
        words += ["scope", address.scope]
    if address.label and address.label != device:
        words += ["label", address.label]
    return words


def remove_command(device: str, address: Address) -> List[str]:
    """The command that takes one address from an interface."""
    peer = [str(address.local), "peer", "%s/%d" % (address.peer, address.prefix)] if address.peer else [str(address)]
    return ["ip", "address", "delete", *peer, "dev", device]


def keep_command(device: str, address: Address) -> str:
    """What somebody types to let an address stay for good."""
    return "ip address change %s dev %s valid_lft forever preferred_lft forever" % (address, device)


def _read_json(argv: List[str]) -> Any:
    text = read_text(argv)
    try:
        return json.loads(text or "[]")
    except ValueError as error:
        raise Undetermined("the output of '%s' is no JSON: %s" % (" ".join(argv), error)) from error


def read_text(argv: List[str]) -> str:
    """What a reading command prints. Raises Undetermined when it fails or is late."""
    try:
        result = execute(argv, DEADLINE)
    except CommandFailed as error:
        raise Undetermined(str(error)) from error
    if result.rc:
        raise Undetermined(str(CommandFailed(argv, result.rc, result.stdout, result.stderr)))
    return result.stdout


def promotes_secondaries(device: str) -> bool:
    """Whether the kernel keeps the secondary addresses when their primary one goes (ip-sysctl, promote_secondaries)."""
    return any(_setting("ipv4/conf/%s/promote_secondaries" % name) not in ("0", "") for name in ("all", device))


def promote_file(device: str) -> str:
    """The file of the setting for one interface."""
    return "/proc/sys/net/ipv4/conf/%s/promote_secondaries" % device


def is_port(link: Link) -> bool:
    """Whether an interface is a port of a bridge, bond or team: what comes in goes to its master, and not to its addresses.

    The interfaces of a VRF keep theirs. Raises Undetermined.
    """
    if not link.master:
        return False
    found = _read_json(["ip", "-json", "-details", "link", "show", "dev", link.name])
    try:
        return found[0].get("linkinfo", {}).get("info_slave_kind") not in _MASTERS_WITHOUT_PORTS
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise Undetermined("the output of 'ip -json -details link show' was not understood: %r" % error) from error


def has_ipv6(device: str) -> bool:
    """Whether IPv6 is switched on for an interface."""
    return _setting("ipv6/conf/%s/disable_ipv6" % device) == "0"


def is_router(device: str) -> bool:
    """Whether the node forwards IPv6 packets that come in by an interface."""
    return _setting("ipv6/conf/%s/forwarding" % device) == "1"


def _setting(name: str) -> str:
    try:
        with open("/proc/sys/net/" + name, encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def locked(folder: str, device: str) -> ContextManager[None]:
    """Hold an interface of this network namespace against other changes of this collection. Raises NodeError."""
    namespace = os.stat("/proc/self/ns/net").st_ino
    return locks.held(os.path.join(folder, ".ip-%d-%s" % (namespace, device)), "the addresses of " + device)
