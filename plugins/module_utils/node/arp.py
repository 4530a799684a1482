# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""ARP on Ethernet: the packets that ask who has an IPv4 address, and those that tell. Source: RFC 826, RFC 5227."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import Iterator, List

ETHER_TYPE = 0x0806
FILTER: List[bytes] = []  # the type of the packets is filter enough
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6
_NOBODY = b"\0" * 6
_FIXED = struct.pack("!HHBB", 1, 0x0800, 6, 4)


@contextmanager
def listening(_index: int, _address: bytes) -> Iterator[None]:
    """Broadcasts reach every interface."""
    yield


def probe(mac: bytes, address: bytes) -> bytes:
    """The question who has the address. Its sender has none, so that nobody's cache is changed by it."""
    return _packet(mac, _REQUEST, b"\0" * 4, _NOBODY, address)


def announcements(mac: bytes, address: bytes, _router: bool) -> List[bytes]:
    """The news that the address is here, as a request and as a reply: some equipment believes only one of them."""
    return [
        _packet(mac, _REQUEST, address, _NOBODY, address),
        _packet(mac, _REPLY, address, _BROADCAST, address),
    ]


def claimant(frame: bytes, address: bytes) -> bytes:
    """The MAC address of a sender that says he has the address, empty when the frame does not say so."""
    return frame[22:28] if _is_arp(frame) and frame[28:32] == address else b""


def asker(frame: bytes, address: bytes) -> bytes:
    """The MAC address of a sender that is about to take the address and asks first, or empty."""
    asks = _is_arp(frame) and frame[20:22] == struct.pack("!H", _REQUEST)
    return frame[22:28] if asks and frame[28:32] == b"\0" * 4 and frame[38:42] == address else b""


def _packet(mac: bytes, operation: int, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    header = _BROADCAST + mac + struct.pack("!H", ETHER_TYPE)
    return header + _FIXED + struct.pack("!H", operation) + mac + sender + target_mac + target


def _is_arp(frame: bytes) -> bool:
    return len(frame) >= 42 and frame[12:14] == struct.pack("!H", ETHER_TYPE) and frame[14:20] == _FIXED
