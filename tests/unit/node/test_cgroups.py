# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.cgroups import ControlGroup
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal

V1 = {"freezer.self_freezing": "1\n", "freezer.state": "FROZEN\n"}
V1_BY_PARENT = {"freezer.self_freezing": "0\n", "freezer.state": "FROZEN\n"}
V1_THAWED = {"freezer.self_freezing": "0\n", "freezer.state": "THAWED\n"}
V2 = {"cgroup.freeze": "1\n", "cgroup.events": "populated 1\nfrozen 1\n"}
V2_THAWED = {"cgroup.freeze": "0\n", "cgroup.events": "populated 1\nfrozen 0\n"}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"memory/x/c": {}, "freezer/x/c": V1}, ["echo THAWED > {root}/freezer/x/c/freezer.state"]),
        ({"memory/x/c": {}, "freezer/x/c": V1_THAWED}, []),
        ({"freezer/x/c": V1_BY_PARENT}, []),
        (
            {"freezer/x/c": V1, "freezer/x/c/inner": V1},
            ["echo THAWED > {root}/freezer/x/c/freezer.state", "echo THAWED > {root}/freezer/x/c/inner/freezer.state"],
        ),
        ({"unified/x/c": V2}, ["echo 0 > {root}/unified/x/c/cgroup.freeze"]),
        ({"unified/x/c": V2_THAWED}, []),
        ({"unified/x/c": V2_THAWED, "unified/x/c/inner": V2}, ["echo 0 > {root}/unified/x/c/inner/cgroup.freeze"]),
        ({"unified/x/other": V2, "freezer/x/other": V1, "freezer/x/c": V1_THAWED}, []),
        ({}, []),
    ],
    ids="v1, v1 thawed, v1 by its parent, v1 nested, v2, v2 thawed, v2 nested, others, none".split(", "),
)
def test_thaw(tmp_path, groups, expected):
    """Exactly the switches of the group and of what is inside it, in either version."""
    for name, files in groups.items():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    group = ControlGroup("/x/c", [str(tmp_path / name) for name in ("memory", "freezer", "unified")])
    journal = Journal("test")
    assert group.is_frozen() == bool(expected)
    assert group.thaw(Runner(journal)) == bool(expected)
    scripts = [event["cmd"] for event in journal.commands()]
    assert scripts == ["sh -c '%s'" % text.format(root=tmp_path) for text in expected]
    for text in expected:
        _echo, word, _to, file = text.format(root=tmp_path).split()
        with open(file, encoding="ascii") as stream:
            assert stream.read().startswith(word)
