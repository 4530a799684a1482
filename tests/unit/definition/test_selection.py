# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services and resources an action is for."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.selection import (
    named_in_full,
    select_resources,
    select_services,
)

PATHS = ["app1-dev/svc1", "app1-prd/svc1", "app2-prd/svc1", "web"]

SERVICES = [
    ("*/*", PATHS),
    ("app*-*/*", PATHS[:3]),
    ("app1-*/svc1", PATHS[:2]),
    ("*-prd/*", PATHS[1:3]),
    ("*", ["web"]),
    ("web", ["web"]),
    ("web, app1-dev/svc1", ["app1-dev/svc1", "web"]),
    ("*/*,web,web", PATHS),
    ("app[12]-prd/*", PATHS[1:3]),
    ("nothing*,web", ["web"]),
    (["web", "app1-dev/svc1"], ["app1-dev/svc1", "web"]),
    (["app2-*/*, web "], ["app2-prd/svc1", "web"]),
]

NO_SERVICES = [
    ("app1-prd/svc", "there is no service 'app1-prd/svc'; did you mean app1-prd/svc1?"),
    ("web,wep", "there is no service 'wep'; did you mean web?"),
    ("APP1-PRD/SVC1", "there is no service 'APP1-PRD/SVC1'"),
    ("nothing/*", "no service matches 'nothing/*'; there are 4 services: app1-dev/svc1"),
    ("", "no service is named; */* takes every one"),
    ([], "no service is named"),
    (["", ""], "no service is named"),
    ("prd/web", "there is no service 'prd/web'; did you mean web?"),
    (" , ", "no service is named"),
    ("a\nb;id", "there is no service 'a\\nb;id'"),
    ("../*", "no service matches '../*'"),
]


@pytest.mark.parametrize(("patterns", "expected"), SERVICES)
def test_services_in_their_own_order(patterns, expected):
    assert select_services(patterns, PATHS) == expected


@pytest.mark.parametrize(("patterns", "sentence"), NO_SERVICES)
def test_patterns_that_select_nothing(patterns, sentence):
    with pytest.raises(ValueError) as caught:
        select_services(patterns, PATHS)
    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("paths", "wanted", "sentence"),
    [
        (["z/z"], "z", "there is no service 'z'; did you mean z/z?"),
        (["y/z", "x/z"], "z", "there is no service 'z'"),
        (["a"], "b*", "no service matches 'b*'; there is 1 service: a"),
        ([], "b*", "no service matches 'b*'; there are 0 services"),
    ],
)
def test_hints(paths, wanted, sentence):
    with pytest.raises(ValueError) as caught:
        select_services(wanted, paths)
    assert str(caught.value) == sentence


def test_what_is_named_in_full():
    assert named_in_full("a/b, c*,d") == ["a/b", "d"]
    assert named_in_full(["*/*", " a "]) == ["a"]


def definitions():
    container = {"image": "i"}
    return parse_all(
        {
            "a": {"vg#1": {"vgname": "v"}, "container#10": container, "container#2": container},
            "b": {"fs#1": {"type": "tmpfs", "mnt": "/srv/m"}, "container#2": container},
        },
        "n1",
    )


RESOURCES = [
    ("", {"a": ("disk#1", "container#2", "container#10"), "b": ("fs#1", "container#2")}),
    ("container", {"a": ("container#2", "container#10"), "b": ("container#2",)}),
    ("container#10", {"a": ("container#10",), "b": ()}),
    ("container#10,container#2", {"a": ("container#2", "container#10"), "b": ("container#2",)}),
    ("fs.tmpfs, disk", {"a": ("disk#1",), "b": ("fs#1",)}),
    (["fs.tmpfs", " disk "], {"a": ("disk#1",), "b": ("fs#1",)}),
    ([""], {"a": ("disk#1", "container#2", "container#10"), "b": ("fs#1", "container#2")}),
    ("disk,", {"a": ("disk#1",), "b": ()}),
    ("vg#1", {"a": ("disk#1",), "b": ()}),
    ("vg", {"a": ("disk#1",), "b": ()}),
]


@pytest.mark.parametrize(("selection", "expected"), RESOURCES)
def test_resources_in_the_order_of_a_start(selection, expected):
    assert select_resources(selection, definitions()) == expected


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        ("container#1", "no selected service has a resource 'container#1'; did you mean container#10?"),
        ("contaner", "no selected service has a resource 'contaner'; did you mean container?"),
        ("container#2,ip", "no selected service has a resource 'ip'"),
        ("fs.ext4", "no selected service has a resource 'fs.ext4'"),
        ("-v\n", "no selected service has a resource '-v'"),
    ],
)
def test_a_resource_that_no_service_has(selection, sentence):
    with pytest.raises(ValueError) as caught:
        select_resources(selection, definitions())
    assert sentence in str(caught.value)
    assert "did you mean ip?" not in str(caught.value)


def tagged():
    def container(tags, subset=None):
        return {"image": "i", "tags": tags, "subset": subset}

    return parse_all(
        {
            "a": {
                "container#1": container("web fast"),
                "container#2": container("web"),
                "container#3": container("db"),
            },
            "b": {"ip#1": {"ipname": "a", "ipdev": "d", "tags": "fast"}, "container#1": container("db fast", "late")},
        },
        "n1",
    )


SCOPES = [
    ("", "web", "", {"a": ("container#1", "container#2"), "b": ()}),
    ("", "web+fast", "", {"a": ("container#1",), "b": ()}),
    ("", "fast+web", "", {"a": ("container#1",), "b": ()}),
    ("", "web+fast,db", "", {"a": ("container#1", "container#3"), "b": ("container#1",)}),
    ("", " db , web ", "", {"a": ("container#1", "container#2", "container#3"), "b": ("container#1",)}),
    ("container", "fast", "", {"a": ("container#1",), "b": ("container#1",)}),
    ("container#1", "db", "", {"a": (), "b": ("container#1",)}),
    ("", "", "late", {"a": (), "b": ("container#1",)}),
    ("", "", "container:late", {"a": (), "b": ("container#1",)}),
    ("", "fast", "late", {"a": (), "b": ("container#1",)}),
]


@pytest.mark.parametrize(("selection", "tags", "subsets", "expected"), SCOPES)
def test_what_is_in_each_of_the_given_selections(selection, tags, subsets, expected):
    assert select_resources(selection, tagged(), tags, subsets) == expected


@pytest.mark.parametrize(
    ("selection", "tags", "subsets", "sentence"),
    [
        ("", "wep", "", "no selected service has a resource with the tag 'wep'; did you mean web?"),
        ("", "web+fats", "", "no selected service has a resource with the tag 'fats'; did you mean fast?"),
        ("", "web+", "", "no selected service has a resource with the tag ''"),
        (",", "", "", "rid names nothing: leave it out, or empty, to take all"),
        (" , ", "", "", "rid names nothing"),
        ([], "", "", "rid names nothing"),
        (["", ""], "", "", "rid names nothing"),
        ("", ",", "", "tags names nothing"),
        ("", "", ",,", "subsets names nothing"),
        ("", "", "lat", "no selected service has a resource in the subset 'lat'; did you mean late?"),
        ("", "", "ip:late", "no selected service has a resource in the subset 'ip:late'"),
        ("ip", "web", "", "no resource of the selected services is in all of 'ip', 'web'"),
        ("", "web+db", "", "no resource of the selected services is in all of 'web+db'"),
    ],
)
def test_a_selection_of_nothing(selection, tags, subsets, sentence):
    with pytest.raises(ValueError) as caught:
        select_resources(selection, tagged(), tags, subsets)
    assert sentence in str(caught.value)


def test_a_service_without_resources_can_be_selected_whole():
    assert select_resources("", parse_all({"a": {}}, "n1")) == {"a": ()}
