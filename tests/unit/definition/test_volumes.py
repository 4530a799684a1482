# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition import volumes

VG = {"name": "vg1", "known_tags": (), "pvs": (), "options": ()}
LV = {"name": "lv0", "vg": "vg1", "size": None, "create_options": ()}


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("vg", {}, []),
        ("vg", {"name": "vg-app_1.prd+x"}, []),
        ("vg", {"name": "vg/app"}, ["name"]),
        ("vg", {"name": "vg@app"}, ["name"]),
        ("vg", {"name": "v" * 128}, ["name"]),
        ("vg", {"known_tags": ["prod", "a=b"]}, []),
        ("vg", {"known_tags": ["pr@d"]}, ["known_tags"]),
        ("vg", {"pvs": ["/dev/sdb", "sdc"]}, ["pvs"]),
        ("vg", {"options": ["--physicalextentsize", "8m"]}, []),
        ("vg", {"options": ["-ff"]}, ["options"]),
        ("vg", {"options": ["--for"]}, ["options"]),
        ("vg", {"options": ["-y"]}, ["options"]),
        ("vg", {"options": ["--shared"]}, ["options"]),
        ("vg", {"options": ["--clustered=y"]}, ["options"]),
        ("vg", {"options": ["--systemid=x"]}, ["options"]),
        ("lv", {}, []),
        ("lv", {"name": "pvmove0"}, ["name"]),
        ("lv", {"name": "data_rmeta_0"}, ["name"]),
        ("lv", {"vg": "a:b"}, ["vg"]),
        ("lv", {"size": "10g"}, []),
        ("lv", {"size": "lots"}, ["size"]),
        ("lv", {"create_options": ["--type", "raid1", "-i", "2"]}, []),
        ("lv", {"create_options": ["-L10g"]}, ["create_options"]),
        ("lv", {"create_options": ["--name=x"]}, ["create_options"]),
        ("lv", {"create_options": ["--yes"]}, ["create_options"]),
        ("loop", {}, []),
    ],
)
def test_refusals(kind, values, expected):
    base = {"vg": VG, "lv": LV}.get(kind, {})
    assert [keyword for keyword, _message in volumes.refusals(kind, {**base, **values})] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1048576", "1048576"),
        ("10m", "10485760"),
        ("1 GiB", "1073741824"),
        ("50%FREE", "50%FREE"),
        ("100%pvs", "100%PVS"),
        ("0", None),
        ("0%VG", None),
        ("101%VG", None),
        ("10%ORIGIN", None),
        ("+10g", None),
        ("ten", None),
    ],
)
def test_sizes(text, expected):
    assert volumes.volume_size(text) == expected


@pytest.mark.parametrize(
    ("node", "shared", "refused"),
    [
        ("node1", True, False),
        ("node-1.example.com", True, False),
        ("node_1", True, True),
        ("node_1", False, False),
        ("node 1", False, True),
        ("-node", False, True),
        ("node@site", False, True),
        ("fd00::1", True, True),
    ],
)
def test_names_of_nodes(node, shared, refused):
    assert bool(volumes.node_refusal(node, shared)) is refused
