# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import bridges
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import NodeError


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setattr(bridges, "_networks_of_node", lambda: [ipaddress.IPv4Network("10.199.1.0/24")])
    return lambda pool="10.199.0.0/16": bridges.SubnetRegistry(str(tmp_path / "subnets.json"), pool)


@pytest.mark.parametrize(
    ("network", "gateway", "pool"),
    [
        ("10.1.2.0/24", "10.1.2.1/25", "base=10.1.2.128/25,size=28"),
        ("10.1.2.0/27", "10.1.2.1/28", "base=10.1.2.16/28,size=28"),
    ],
)
def test_a_subnet_is_split_between_bridge_and_other_networks(network, gateway, pool):
    subnet = bridges.Subnet(ipaddress.IPv4Network(network))
    assert (subnet.gateway, subnet.pool) == (gateway, pool)


def test_each_service_gets_its_own_and_the_same_again(registry):
    first = registry().take("a", None)
    second = registry().take("b", None)
    assert str(first.network) == "10.199.0.0/24"
    assert str(second.network) == "10.199.2.0/24", "10.199.1.0/24 is a network of the node"
    assert registry().take("a", None) == first


def test_a_network_of_another_service_is_refused(registry):
    registry().take("a", None)
    with pytest.raises(NodeError, match=r"overlaps 10\.199\.0\.0/24 of service a"):
        registry().take("b", "10.199.0.128/25")


def test_an_exhausted_pool_says_what_to_do(registry):
    registry("10.199.0.0/24").take("a", None)
    with pytest.raises(NodeError, match="dockyard_network_pool"):
        registry("10.199.0.0/24").take("b", None)


@pytest.mark.parametrize("written", ["10.0.0.0/32", "10.0.0.0/30", "0.0.0.0/0", "nonsense", 5])
def test_a_recorded_network_that_cannot_be_used_is_replaced(registry, tmp_path, written):
    (tmp_path / "subnets.json").write_text(json.dumps({"a": written, "b": "10.199.2.0/24"}))
    assert registry().find("a") is None
    assert str(registry().take("a", None).network) == "10.199.0.0/24"
    assert str(registry().find("a").network) == "10.199.0.0/24"
    assert str(registry().find("b").network) == "10.199.2.0/24"


def test_choosing_writes_nothing(registry, tmp_path):
    registry().choose("a", None)
    assert list(tmp_path.iterdir()) == []
