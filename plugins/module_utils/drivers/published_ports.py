# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The published ports of a container in a private daemon: one docker-proxy each listens on the node, and passes on."""

from __future__ import annotations

import ipaddress

from ..node.listeners import PROTOCOLS, listeners
from .container_lookup import Found

_UNHEARD = "port %s is published, and nothing listens on %s port %d: its docker-proxy is gone; a restart brings it back"


def unheard_port(found: Found) -> str:
    """Which published port nothing listens on any more, in words; empty when there is none."""
    ports = (found.inspect.get("NetworkSettings") or {}).get("Ports") or {}
    for port, bindings in sorted(ports.items()):
        protocol = port.partition("/")[2]
        heard = listeners(protocol) if bindings and protocol in PROTOCOLS else None
        for binding in bindings or []:
            place = ipaddress.ip_address(binding["HostIp"] or "0.0.0.0"), int(binding["HostPort"])
            if heard is not None and place not in heard:
                return _UNHEARD % (port, *place)
    return ""
