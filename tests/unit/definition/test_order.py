# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a start: groups, subsets, numbers, and file systems after those that carry them."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.order import is_inside
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse


def fs(mnt, dev=None, **keywords):
    return {"type": "bind" if dev else "tmpfs", "mnt": mnt, "dev": dev, **keywords}


def order(raw):
    return [resource.rid for resource in parse("svc1", raw, "n1").resources]


def refused(raw):
    with pytest.raises(DefinitionError) as caught:
        parse("svc1", raw, "n1")
    return str(caught.value)


ORDERS = [
    ({"fs#1": fs("/srv/a"), "fs#2": fs("/srv/a/b"), "fs#10": fs("/srv/c")}, ["fs#1", "fs#2", "fs#10"]),
    ({"fs#1": fs("/srv/a/b"), "fs#2": fs("/srv/a")}, ["fs#2", "fs#1"]),
    ({"fs#1": fs("/srv/a/b/c"), "fs#2": fs("/srv/a/b"), "fs#3": fs("/srv/a")}, ["fs#3", "fs#2", "fs#1"]),
    ({"fs#1": fs("/srv/app1/x"), "fs#2": fs("/srv/app10"), "fs#3": fs("/srv/app1")}, ["fs#2", "fs#3", "fs#1"]),
    ({"fs#1": fs("/srv/app10"), "fs#2": fs("/srv/app1")}, ["fs#1", "fs#2"]),
    ({"fs#1": fs("/srv/x", "/srv/a/x"), "fs#2": fs("/srv/b"), "fs#3": fs("/srv/a")}, ["fs#2", "fs#3", "fs#1"]),
    ({"fs#1": fs("/srv/x", "/srv/a"), "fs#2": fs("/srv/a")}, ["fs#2", "fs#1"]),
    ({"fs#1": fs("/srv/x", "/srv/a/x"), "fs#2": fs("/srv/a")}, ["fs#2", "fs#1"]),
    ({"fs#1": fs("/srv/x", "/srv/ab"), "fs#2": fs("/srv/a")}, ["fs#1", "fs#2"]),
    ({"fs#1": fs("/srv/a", "/srv/a")}, ["fs#1"]),
    ({"fs#1": fs("/srv/a/b", subset="late"), "fs#2": fs("/srv/a")}, ["fs#2", "fs#1"]),
    (
        {"fs#1": fs("/srv/a/b", subset="s"), "fs#2": fs("/srv/a", subset="s"), "fs#3": fs("/srv/c", subset="s")},
        ["fs#2", "fs#1", "fs#3"],
    ),
]


@pytest.mark.parametrize(("raw", "expected"), ORDERS)
def test_a_file_system_comes_after_those_that_carry_it(raw, expected):
    assert order(raw) == expected
    assert order(dict(reversed(list(raw.items())))) == expected


CONTRADICTIONS = [
    (
        {
            "subset#disk:p": {"parallel": True},
            "disk#1": {"type": "loop", "file": "/srv/a.img", "subset": "p"},
            "disk#2": {"type": "vg", "name": "vga", "pvs": "/srv/a.img", "subset": "p"},
        },
        "section [disk#2], keyword subset: disk#1 must be started first, but their subset is parallel",
    ),
    (
        {
            "subset#disk:p": {"parallel": True},
            "disk#1": {"type": "vg", "name": "vga", "subset": "p"},
            "disk#2": {"type": "lv", "vg": "vga", "name": "lva", "subset": "p"},
        },
        "section [disk#2], keyword subset: disk#1 must be started first, but their subset is parallel",
    ),
    (
        {"fs#1": fs("/srv/a/b"), "fs#2": fs("/srv/a", subset="late")},
        "section [fs#1], keyword subset: fs#2 must be mounted first (/srv/a), but its subset comes later",
    ),
    (
        {"fs#1": fs("/srv/x", "/srv/a", subset="1"), "fs#2": fs("/srv/a", subset="2")},
        "section [fs#1], keyword subset: fs#2 must be mounted first (/srv/a), but its subset comes later",
    ),
    (
        {
            "fs#1": fs("/srv/a", subset="s"),
            "fs#2": fs("/srv/a/b", subset="s"),
            "subset#fs:s": {"parallel": True},
        },
        "section [fs#2], keyword subset: fs#1 must be mounted first (/srv/a), but its subset is parallel",
    ),
    (
        {"fs#1": fs("/srv/a", "/srv/b/x"), "fs#2": fs("/srv/b", "/srv/a/x")},
        "section [fs#1], keyword mnt: fs#2 and it lie inside each other",
    ),
    (
        {"fs#1": fs("/srv/a"), "loop#3": {"file": "/srv/a/disk.img"}},
        "section [loop#3], keyword file: /srv/a/disk.img is inside /srv/a, which is mounted later (fs#1)",
    ),
]


@pytest.mark.parametrize(("raw", "sentence"), CONTRADICTIONS)
def test_what_contradicts_the_order(raw, sentence):
    assert sentence in refused(raw)


def test_a_disabled_file_system_carries_nothing():
    assert order({"fs#1": fs("/srv/a", disable=True), "loop#1": {"file": "/srv/a/disk.img"}}) == ["disk#1", "fs#1"]


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [("/a", "/a", True), ("/a/b", "/a", True), ("/ab", "/a", False), ("/a", "/a/b", False)],
)
def test_paths_are_compared_by_components(path, folder, expected):
    assert is_inside(path, folder) is expected


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [({}, False), ({"nodes": "n1"}, False), ({"nodes": "n1 n2"}, True), ({"nodes": ["n1"]}, False)],
)
def test_a_service_of_several_nodes_may_move(nodes, expected):
    assert parse("svc1", nodes, "n1").failover is expected
