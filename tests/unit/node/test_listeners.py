# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import socket

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.listeners import listeners


@pytest.mark.parametrize(
    ("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)], ids=["tcp", "udp"]
)
@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")], ids=["IPv4", "IPv6"]
)
def test_a_socket_is_heard_until_it_is_closed(protocol, kind, family, address):
    with socket.socket(family, kind) as own:
        own.bind((address, 0))
        if protocol == "tcp":
            own.listen()
        place = ipaddress.ip_address(address), own.getsockname()[1]
        assert place in listeners(protocol)
        assert place not in listeners("udp" if protocol == "tcp" else "tcp")
    assert place not in listeners(protocol)


def test_a_connection_is_no_listener():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname()[1] not in {port for _address, port in listeners("tcp")}
