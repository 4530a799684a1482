# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When docker has chosen a port that it could not have, in the words of its releases."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.published_ports import refused_choice

ENDPOINT = (
    "docker: Error response from daemon: driver failed programming external connectivity on endpoint web (4f1a): "
)
SET_UP = "docker: Error response from daemon: failed to set up container networking: "


@pytest.mark.parametrize(
    "said, asked, port",
    [
        (
            ENDPOINT + "Error starting userland proxy: listen tcp4 0.0.0.0:32777: bind: address already in use.",
            "80",
            32777,
        ),
        (
            ENDPOINT + "Error starting userland proxy: listen udp6 [::]:32777: bind: address already in use.",
            "80",
            32777,
        ),
        (SET_UP + "failed to bind host port for 10.0.0.1:32777:172.17.0.2:80/tcp: address already in use", "80", 32777),
        (SET_UP + "failed to bind host port 0.0.0.0:32777/tcp: address already in use", "-p 80", 32777),
        (ENDPOINT + "listen tcp4 0.0.0.0:8080: bind: address already in use.", "-p 8080:80", None),
        (ENDPOINT + "listen tcp4 0.0.0.0:8080: bind: address already in use.", "-p 18080:80", 8080),
        (ENDPOINT + "Bind for 0.0.0.0:32777 failed: port is already allocated.", "80", None),
        ("docker: Error response from daemon: No such image: web", "80", None),
        ("", "", None),
    ],
)
def test_refused_choice(said: str, asked: str, port: int) -> None:
    assert refused_choice(said, asked) == port
