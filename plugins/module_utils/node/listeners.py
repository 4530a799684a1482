# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which addresses and ports of the node something listens on."""

from __future__ import annotations

import ipaddress
import sys
from typing import Set, Tuple

from . import files
from .addresses import IpAddress
from .errors import Undetermined

_WAITING = {"tcp": "0A", "udp": "07"}
"""The states of a socket that waits for anybody: TCP_LISTEN, and TCP_CLOSE of a socket without a peer. Source: tcp_states.h."""
PROTOCOLS = tuple(_WAITING)


def listeners(protocol: str) -> Set[Tuple[IpAddress, int]]:
    """What sockets of one of `PROTOCOLS` are bound to. Raises Undetermined when the kernel does not tell.

    Source: proc_net_tcp in the kernel's documentation. A node without IPv6 has one file.
    """
    file = "/proc/net/" + protocol
    told = files.kernel_text(file)
    if not told:
        raise Undetermined("%s cannot be read: which ports are listened on cannot be told" % file)
    entries = [line.split(None, 4) for line in (told + "\n" + files.kernel_text(file + "6")).splitlines()]
    return {_place(entry[1]) for entry in entries if len(entry) > 4 and entry[3] == _WAITING[protocol]}


def _place(text: str) -> Tuple[IpAddress, int]:
    """An address and a port: words of 32 bits in the order of the machine, a colon, and the port."""
    address, _colon, port = text.partition(":")
    words = [int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8)]
    return ipaddress.ip_address(b"".join(words)), int(port, 16)
