# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which state other resources must have before an action: the keywords `start_requires` and its like."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import RESOURCES
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse
from ansible_collections.dockyard.svc.plugins.module_utils.definition.requirements import Requirement, requirements

UP = ("up", "stdby up")

TEXTS = [
    ("fs#1", [("fs#1", UP)]),
    ("fs#1 ip#0(down,stdby down)", [("fs#1", UP), ("ip#0", ("down", "stdby down"))]),
    ("fs#1, ip#0", [("fs#1", UP), ("ip#0", UP)]),
    (" fs#1 ( up , stdby  up ) ip#0 ", [("fs#1", UP), ("ip#0", UP)]),
    (["fs#1(n/a)", "ip#0 ip#1"], [("fs#1", ("n/a",)), ("ip#0", UP), ("ip#1", UP)]),
    ("vg#1(up) loop#2", [("disk#1", ("up",)), ("disk#2", UP)]),
    ("", []),
    ([], []),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_what_is_written(text, expected):
    assert requirements(text) == tuple(Requirement(rid, states) for rid, states in expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fs", "'fs' is not a resource such as fs#1"),
        ("fs#1(", "must be resources with states, such as fs#1 ip#0(down,stdby down)"),
        ("(up)", "must be resources with states"),
        ("fs#1(up))", "must be resources with states"),
        ("fs#1(uo)", "'uo' is not a status, which is one of up, down, warn, undef, n/a, stdby up, stdby down"),
        ("fs#1(dwon)", "did you mean down?"),
        ("fs#1()", "'' is not a status"),
        ("fs#1(up,)", "'' is not a status"),
        (5, "must be a text such as fs#1 ip#0(down,stdby down), not a number"),
        (["fs#1", ["ip#1"]], "not a list"),
        ({"fs#1": "up"}, "not a mapping"),
    ],
)
def test_what_cannot_be_read(text, sentence):
    with pytest.raises(ValueError) as caught:
        requirements(text)
    assert sentence in str(caught.value)


def test_every_type_of_resource_has_them():
    for types in RESOURCES.values():
        for table in types.values():
            assert {"start_requires", "stop_requires", "provision_requires", "unprovision_requires"} <= set(
                table.keywords
            )


def service(**container):
    return {
        "fs#1": {"type": "tmpfs", "mnt": "/srv/a"},
        "fs#2": {"type": "tmpfs", "mnt": "/srv/b", "subset": "side", "start_requires": "fs#1"},
        "fs#3": {"type": "tmpfs", "mnt": "/srv/c", "subset": "side"},
        "subset#fs:side": {"parallel": True},
        "container#1": {"image": "i", **container},
        "container#2": {"image": "i"},
    }


MET = [
    {"start_requires": "fs#1 fs#2"},
    {"start_requires": "container#2(down,stdby down)"},
    {"start_requires": "container#2(up,down)"},
    {"stop_requires": "fs#1"},
    {"provision_requires": ["fs#1(up)"]},
    {"start_requires": "container#3", "disable": True},
]


@pytest.mark.parametrize("container", MET)
def test_requirements_that_can_be_met(container):
    assert parse("svc1", service(**container), "n1")


NEVER_MET = [
    ({"start_requires": "fs#4"}, "start_requires", "the service has no resource fs#4; did you mean fs#"),
    ({"stop_requires": "container#1"}, "stop_requires", "container#1 cannot require itself"),
    ({"start_requires": "container#2"}, "start_requires", "container#2 starts after container#1 and stops before it"),
    ({"stop_requires": "container#2(up)"}, "stop_requires", "it can only be required to be down"),
    ({"start_requires": "vg#1"}, "start_requires", "the service has no resource disk#1"),
]


@pytest.mark.parametrize(("container", "keyword", "sentence"), NEVER_MET)
def test_requirements_that_can_never_be_met(container, keyword, sentence):
    with pytest.raises(DefinitionError) as caught:
        parse("svc1", service(**container), "n1")
    assert "section [container#1], keyword %s: " % keyword in str(caught.value)
    assert sentence in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_circle_is_never_met():
    raw = service(start_requires="container#2")
    raw["container#2"]["start_requires"] = "container#1"
    with pytest.raises(DefinitionError, match="container#2 starts after container#1"):
        parse("svc1", raw, "n1")


def test_what_starts_side_by_side_cannot_require_each_other():
    raw = service()
    raw["fs#3"]["start_requires"] = "fs#2"
    with pytest.raises(DefinitionError, match="fs#2 starts and stops side by side with fs#3: their subset is parallel"):
        parse("svc1", raw, "n1")
