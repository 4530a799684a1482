# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse
from ansible_collections.dockyard.svc.plugins.plugin_utils.placement import unknown_nodes

IMAGE = {"image": "i"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, []),
        ({"nodes": "n1 n2"}, []),
        ({"nodes": "nod1 n2", "drpnodes": ["d1"]}, ["nod1 (nodes of a/b)", "d1 (nodes of a/b)"]),
        ({"container#0": {**IMAGE, "image@n2": "j", "hostname@n3": "h"}}, ["n3 (hostname@n3 of a/b)"]),
        ({"app@n3": "x", "env": {"size@n4": 5}}, ["n3 (app@n3 of a/b)", "n4 (size@n4 of a/b)"]),
        ({"nodes": "n1", "drpnodes": "n2", "app@nodes": "x", "app@drpnodes": "y"}, []),
        ({"container#0": {**IMAGE, "environment": {"A": "me@example.org"}}}, []),
    ],
)
def test_nodes_that_the_inventory_does_not_know(raw, expected):
    assert unknown_nodes(raw, parse("a/b", raw, "n1"), ["n1", "n2"]) == expected
