# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a section of group ip says: address, interface, label, netmask, gateway, and what in it cannot be right.

Everything here is judged without a look at the machine.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterator, Mapping, Optional, Tuple, Union

from .errors import quoted

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

NAME_MAX = 15  # IFNAMSIZ of the kernel, less the final zero; labels are as long as names of interfaces
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LABEL_PART = re.compile(r"[A-Za-z0-9_.-]+")
_OCTET = r"(?:0|[1-9][0-9]{0,2})"
_IPV4 = re.compile(r"%s(?:\.%s){3}" % (_OCTET, _OCTET))
_NUMBERS = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]*))*")
_HOST_NAME = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+")

Refusals = Iterator[Tuple[str, str]]


def literal(text: str) -> Optional[Address]:
    """The address that `text` is, None when it is a name. Raises ValueError for what is neither.

    The C library would read 10.1 as 10.0.0.1 and 010.0.0.1 as 8.0.0.1, see inet_aton(3): such are refused.
    """
    if ":" in text:
        if "%" in text:
            raise ValueError("%s has a zone: leave it out, ipdev names the interface" % quoted(text))
        return ipaddress.IPv6Address(text)
    if _NUMBERS.fullmatch(text):
        if not _IPV4.fullmatch(text):
            raise ValueError("%s is no IPv4 address: write four numbers without leading zeros" % quoted(text))
        return ipaddress.IPv4Address(text)
    return None


def prefix_length(netmask: str, version: int) -> int:
    """The prefix length that a netmask means for an address of this IP version. Raises ValueError."""
    most = 32 if version == 4 else 128
    if re.fullmatch(r"[0-9]{1,3}", netmask):
        if not 1 <= int(netmask) <= most:
            raise ValueError("%s is no prefix length of IPv%d: 1 to %d are" % (netmask, version, most))
        return int(netmask)
    if version == 6:
        raise ValueError("%s is no prefix length: an IPv6 address takes a number from 1 to 128" % quoted(netmask))
    if _IPV4.fullmatch(netmask):
        bits = bin(int(ipaddress.IPv4Address(netmask)))[2:].zfill(32)
        if re.fullmatch("1+0*", bits):
            return bits.count("1")
    raise ValueError("%s is no netmask: write a prefix length such as 24, or 255.255.255.0" % quoted(netmask))


def device_and_label(values: Mapping[str, Any]) -> Tuple[str, str]:
    """The interface, and the label of the address or an empty string: `eth0:3` names both."""
    device, _colon, alias = values["ipdev"].partition(":")
    return device, values["label"] or (values["ipdev"] if alias else "")


def address_refusal(address: Address) -> str:
    """Why an address cannot be a service's, an empty string when it can."""
    if address.is_unspecified:
        return "stands for no address at all"
    if address.is_loopback:
        return "is a loopback address, which no other machine can reach"
    if address.is_multicast:
        return "is a multicast address"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return "is an IPv4 address in disguise: write %s" % address.ipv4_mapped
        if address.is_link_local:
            return "is a link-local address: every interface has its own, and none can move"
    elif int(address) == 0xFFFFFFFF:
        return "is the broadcast address"
    elif address.is_reserved or int(address) < 1 << 24:
        return "is in a reserved network"
    return ""


def network_refusal(address: Address, prefix: int) -> str:
    """Why an address cannot be a host's in a network of this prefix length, an empty string when it can."""
    network = ipaddress.ip_network((address, prefix), strict=False)
    if network.version == 4 and prefix < 31:
        if address == network.network_address:
            return "is the address of the network %s itself" % network
        if address == network.broadcast_address:
            return "is the broadcast address of the network %s" % network
    return ""


def gateway_refusal(address: Address, prefix: int, gateway: Address) -> str:
    """Why a gateway cannot be reached from an address, an empty string when it can.

    An address with a network of one is on a wire whose network it does not tell; any router may be there. Routers of IPv6
    are often named by their link-local address.
    """
    if gateway.version != address.version:
        return "%s is IPv%d, but the address %s is IPv%d" % (gateway, gateway.version, address, address.version)
    if gateway == address:
        return "%s is the address of the service itself" % gateway
    network = ipaddress.ip_network((address, prefix), strict=False)
    if gateway.is_link_local or network.num_addresses == 1 or gateway in network:
        return ""
    return "%s is not in the network of the address, %s" % (gateway, network)


def refusals(values: Mapping[str, Any]) -> Refusals:
    """What cannot be right in a section, as keyword and message."""
    yield from _device_refusals(values)
    address: Optional[Address] = None
    try:
        address = literal(values["ipname"])
        if address is None and not (_HOST_NAME.fullmatch(values["ipname"]) and len(values["ipname"]) < 254):
            hint = ": the prefix length goes into netmask" if "/" in values["ipname"] else ""
            yield "ipname", "%s is neither an address nor a host name%s" % (quoted(values["ipname"]), hint)
    except ValueError as error:
        yield "ipname", str(error)
        return
    reason = address_refusal(address) if address else ""
    if reason:
        yield "ipname", "%s %s" % (address, reason)
        return
    if address and address.version == 6:
        label = device_and_label(values)[1]
        if label:
            yield ("label" if values["label"] else "ipdev"), "IPv6 addresses have no label (%s)" % label
    yield from _network_refusals(values, address)


def _device_refusals(values: Mapping[str, Any]) -> Refusals:
    written = values["ipdev"]
    if "@" in written:
        yield (
            "ipdev",
            "%s asks for an interface that is made for the service, which this release cannot: name an interface of the node"
            % quoted(written),
        )
        return
    device, label = device_and_label(values)
    if not _INTERFACE.fullmatch(device) or len(device) > NAME_MAX:
        yield "ipdev", "%s is no name of an interface, which has at most %d characters" % (quoted(device), NAME_MAX)
    elif ":" in written and values["label"] and values["label"] != written:
        yield "label", "%s contradicts ipdev, which gives the label %s" % (quoted(label), quoted(written))
    elif written.endswith(":"):
        yield "ipdev", "%s lacks the rest of the label: write %s, or %s:1" % (quoted(written), device, device)
    elif label:
        keyword = "label" if values["label"] else "ipdev"
        first, _colon, rest = label.partition(":")
        if first != device or not _LABEL_PART.fullmatch(rest):
            yield keyword, "the label %s must be %s: and a word of letters, digits and _.-" % (quoted(label), device)
        elif len(label) > NAME_MAX:
            yield keyword, "the label %s has %d characters; %d is the most" % (quoted(label), len(label), NAME_MAX)


def _network_refusals(values: Mapping[str, Any], address: Optional[Address]) -> Refusals:
    prefix: Optional[int] = None
    if values["netmask"] is not None:
        try:
            number = values["netmask"].isdigit() and int(values["netmask"]) > 32
            prefix = prefix_length(values["netmask"], address.version if address else 6 if number else 4)
        except ValueError as error:
            yield "netmask", str(error)
        if address and prefix:
            reason = network_refusal(address, prefix)
            if reason:
                yield "ipname", "%s %s" % (address, reason)
    if values["gateway"] is None:
        return
    try:
        gateway = literal(values["gateway"])
        if gateway is None:
            yield "gateway", "%s is no address" % quoted(values["gateway"])
            return
    except ValueError as error:
        yield "gateway", str(error)
        return
    if gateway.is_multicast or gateway.is_unspecified or gateway.is_loopback or int(gateway) == 0xFFFFFFFF:
        yield "gateway", "%s is no address of a router" % gateway
    elif address:
        reason = gateway_refusal(address, prefix if prefix is not None else 1, gateway)
        if reason and (prefix is not None or gateway.version != address.version or gateway == address):
            yield "gateway", reason
