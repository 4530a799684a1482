# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write in a file system that carries something of root's."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse

DISK = {"type": "ext4", "dev": "/dev/vg/outer", "mnt": "/srv/a"}
BELOW = {"fs#2": {"type": "ext4", "dev": "/dev/vg/inner", "mnt": "/srv/a/b"}}


def definition(below, **keywords):
    return parse("team/app", {"fs#1": {**DISK, **keywords}, **below}, "node")


@pytest.mark.parametrize(
    ("below", "keywords", "sentence"),
    [
        (
            BELOW,
            {"user": "app"},
            "keyword user: app owns the root folder and could replace what root uses below: /srv/a/b (fs#2)",
        ),
        (BELOW, {"perm": "0775"}, "keyword perm: others than root write in the root folder"),
        ({"DEFAULT": {"docker_data_dir": "/srv/a/docker"}}, {"user": "100"}, "/srv/a/docker (docker_data_dir)"),
        ({"DEFAULT": {"docker_data_dir": "/srv/a"}}, {"user": "100"}, "/srv/a (docker_data_dir)"),
    ],
)
def test_what_lies_below_is_roots(below, keywords, sentence):
    with pytest.raises(DefinitionError) as caught:
        definition(below, **keywords)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("below", "keywords"),
    [
        ({}, {"user": "app", "perm": "0777"}),
        (BELOW, {"user": "root", "group": "app", "perm": "0750"}),
        (BELOW, {"user": 0, "perm": "1777"}),
        ({"fs#2": {**BELOW["fs#2"], "disable": True}}, {"user": "app"}),
        ({"fs#2": {**BELOW["fs#2"], "mnt": "/srv/ab"}}, {"user": "app"}),
    ],
)
def test_what_may_be(below, keywords):
    definition(below, **keywords)
