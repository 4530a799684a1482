# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Who else on the wire has an address, and telling everybody that it is here now.

It speaks ARP (IPv4) or neighbour discovery (IPv6) on a raw socket, Ethernet alone. Times are in seconds and monotonic. A
node with two interfaces on one wire answers its own questions there: the MAC addresses in `own` are nobody else.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import time
from contextlib import contextmanager
from typing import Any, Callable, Container, Iterator, Sequence

from . import arp, ndp
from .addresses import IpAddress, Link

PROBES = (0.0, 0.2, 0.4)
PROBE_END = 0.65
"""When the three probes of RFC 5227 are sent, and when their answers have had time enough on a wire of today."""
LAST_PROBES = (0.0,)
LAST_PROBE_END = 0.1
"""One more after the address was added: it meets a node that took the address in the same moment."""
ANNOUNCEMENTS = (0.0, 0.03, 0.12, 0.3)
"""When an address is announced: at once, and again for who lost the first or was not listening yet."""
_ANNOUNCE_END = 0.32
_SO_ATTACH_FILTER = 26
_OUTGOING = 4


def ask(link: Link, address: IpAddress, own: Container[str] = ()) -> str:
    """The MAC address of whoever has the address, or is about to take it as well; empty when nobody does.

    To be asked before the address is added. Raises OSError when the wire cannot be asked.
    """
    with _conversation(link, address, own) as conversation:
        return conversation.run(PROBES, [conversation.probe], PROBE_END, newcomers=True)


def ask_again(link: Link, address: IpAddress, own: Container[str] = ()) -> str:
    """The MAC address of whoever else has the address that was just added, or empty. Raises OSError."""
    with _conversation(link, address, own) as conversation:
        return conversation.run(LAST_PROBES, [conversation.probe], LAST_PROBE_END)


def announce(link: Link, address: IpAddress, own: Container[str] = (), router: bool = False) -> str:
    """Tell all neighbours that the address is here; the MAC address of one who objects, or empty.

    Raises OSError when an announcement cannot be sent.
    """
    with _conversation(link, address, own) as conversation:
        return conversation.run(ANNOUNCEMENTS, conversation.announcements(router), _ANNOUNCE_END)


@contextmanager
def _conversation(link: Link, address: IpAddress, own: Container[str]) -> Iterator[_Conversation]:
    """Talk on a socket that hears nothing before its filter is set and its interface is chosen."""
    language: Any = arp if address.version == 4 else ndp
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as wire:
        if language.FILTER:
            _attach(wire, language.FILTER)
        wire.bind((link.name, language.ETHER_TYPE))
        with language.listening(link.index, address.packed):
            yield _Conversation(wire, language, link, address, own)


class _Conversation:
    """What is said on one interface about one address."""

    def __init__(self, wire: socket.socket, language: Any, link: Link, address: IpAddress, own: Container[str]):
        self._wire = wire
        self._language = language
        self._link = link
        self._own = own
        self._mac = bytes.fromhex(link.mac.replace(":", ""))
        self._address = address.packed
        self.probe: bytes = self._language.probe(self._mac, self._address)

    def announcements(self, router: bool) -> Sequence[bytes]:
        frames: Sequence[bytes] = self._language.announcements(self._mac, self._address, router)
        return frames

    def run(self, times: Sequence[float], frames: Sequence[bytes], end: float, newcomers: bool = False) -> str:
        """Send the frames at these times and listen until `end`. Ends at once when somebody is heard."""
        began = time.monotonic()
        for moment in times:
            heard = self._listen(began + moment, newcomers)
            if heard:
                return heard
            for frame in frames:
                sent = self._wire.send(frame)
                if sent != len(frame):
                    raise OSError("only %d of %d bytes were sent on %s" % (sent, len(frame), self._link.name))
        return self._listen(began + end, newcomers)

    def _listen(self, until: float, newcomers: bool) -> str:
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._wire], [], [], left)[0]:
                return ""
            frame, sender = self._wire.recvfrom(2048)
            mac = self._heard(frame, newcomers) if sender[2] != _OUTGOING else b""
            if mac and mac != self._mac and mac.hex(":") not in self._own:
                return mac.hex(":")

    def _heard(self, frame: bytes, newcomers: bool) -> bytes:
        claimant: Callable[[bytes, bytes], bytes] = self._language.claimant
        asker: Callable[[bytes, bytes], bytes] = self._language.asker
        return claimant(frame, self._address) or (asker(frame, self._address) if newcomers else b"")


def _attach(wire: socket.socket, instructions: Sequence[bytes]) -> None:
    """Set the filter of a socket, see socket(7)."""
    program = ctypes.create_string_buffer(b"".join(instructions))
    wire.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(instructions), ctypes.addressof(program))
    )
