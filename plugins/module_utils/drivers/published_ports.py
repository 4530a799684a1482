# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The published ports of a container in a private daemon: one docker-proxy each listens on the node, and passes on."""

from __future__ import annotations

import ipaddress
import re
from typing import Optional

from ..node.listeners import PROTOCOLS, listeners
from .container_lookup import Found

_UNHEARD = "port %s is published, and nothing listens on %s port %d: its docker-proxy is gone; a restart brings it back"

_TAKEN = re.compile(r"[\d\]]:(\d+)\b\S*: (?:bind: )?address already in use")


def refused_choice(said: str, asked: str) -> Optional[int]:
    """The host port that docker has chosen itself, and could not have; None when the failure is another one.

    `said` is what docker wrote, `asked` what names the ports that were asked for. For `-p 80` docker takes the next port
    of the ephemeral range, and gives up after ten that are taken (libnetwork, maxAllocatePortAttempts). Each daemon
    begins at the first one, so the ports of ten neighbours are enough; the next attempt goes on behind them.
    """
    match = _TAKEN.search(said)
    if match is None or re.search(r"\b%s\b" % match[1], asked):
        return None
    return int(match[1])


def unheard_port(found: Found) -> str:
    """Which published port nothing listens on any more, in words; empty when there is none. Raises Undetermined."""
    ports = (found.inspect.get("NetworkSettings") or {}).get("Ports") or {}
    published = [(port, binding) for port, bindings in sorted(ports.items()) for binding in bindings or []]
    used = {port.partition("/")[2] for port, _binding in published}
    heard = {protocol: listeners(protocol) for protocol in PROTOCOLS if protocol in used}
    for port, binding in published:
        protocol = port.partition("/")[2]
        place = ipaddress.ip_address(binding["HostIp"] or "0.0.0.0"), int(binding["HostPort"])
        if protocol in heard and place not in heard[protocol]:
            return _UNHEARD % (port, *place)
    return ""
