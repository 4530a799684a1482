# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Neighbour discovery on Ethernet: the packets that ask who has an IPv6 address, and those that tell.

Source: RFC 4861 (packets, unsolicited advertisements), RFC 4862 (duplicate address detection).
"""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from typing import Iterator, List

ETHER_TYPE = 0x86DD
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_OVERRIDE, _ROUTER = 0x20000000, 0x80000000
_NOBODY = b"\0" * 16
_ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
_TARGET_MAC = 2  # the option that carries the MAC address of the target


def _instruction(code: int, yes: int, no: int, operand: int) -> bytes:
    """One instruction of a socket filter, see linux/filter.h. `yes` and `no` are how many to skip."""
    return struct.pack("HBBI", code, yes, no, operand)


_LOAD_BYTE, _IS, _ACCEPT = 0x30, 0x15, 0x06
FILTER = [
    _instruction(_LOAD_BYTE, 0, 0, 20),  # the next header
    _instruction(_IS, 0, 4, _ICMPV6),
    _instruction(_LOAD_BYTE, 0, 0, 54),  # the type of the message
    _instruction(_IS, 1, 0, _SOLICITATION),
    _instruction(_IS, 0, 1, _ADVERTISEMENT),
    _instruction(_ACCEPT, 0, 0, 0xFFFF),
    _instruction(_ACCEPT, 0, 0, 0),
]
"""Lets solicitations and advertisements through and nothing else: a busy interface must not keep us busy."""


@contextmanager
def listening(index: int, address: bytes) -> Iterator[None]:
    """Be in the group that the questions about an address go to, as switches pass them on to its members only."""
    group = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    with group:
        group.setsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _solicited_node(address) + struct.pack("@I", index)
        )
        yield


def probe(mac: bytes, address: bytes) -> bytes:
    """The question who has the address, from a sender that has none yet."""
    message = struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address
    return _packet(mac, _NOBODY, _solicited_node(address), message)


def announcements(mac: bytes, address: bytes, router: bool) -> List[bytes]:
    """The news that the address is here. Hosts drop their default route over a router that says it is none."""
    flags = _OVERRIDE | (_ROUTER if router else 0)
    message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, flags) + address + struct.pack("!BB", _TARGET_MAC, 1) + mac
    return [_packet(mac, address, _ALL_NODES, message)]


def claimant(frame: bytes, address: bytes) -> bytes:
    """The MAC address of a sender that says he has the address, empty when the frame does not say so."""
    return frame[6:12] if _message_type(frame) == _ADVERTISEMENT and frame[62:78] == address else b""


def asker(frame: bytes, address: bytes) -> bytes:
    """The MAC address of a sender that is about to take the address and asks first, or empty."""
    asks = _message_type(frame) == _SOLICITATION and frame[22:38] == _NOBODY
    return frame[6:12] if asks and frame[62:78] == address else b""


def _message_type(frame: bytes) -> int:
    is_icmp = len(frame) >= 78 and frame[12:14] == struct.pack("!H", ETHER_TYPE) and frame[20] == _ICMPV6
    return frame[54] if is_icmp and frame[21] == 255 else 0


def _solicited_node(address: bytes) -> bytes:
    return socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + address[13:]


def _packet(mac: bytes, source: bytes, destination: bytes, message: bytes) -> bytes:
    checksum = _checksum(source + destination + struct.pack("!II", len(message), _ICMPV6) + message)
    message = message[:2] + struct.pack("!H", checksum) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + source + destination
    return b"\x33\x33" + destination[12:] + mac + struct.pack("!H", ETHER_TYPE) + header + message


def _checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071. All our messages have an even length."""
    total: int = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
