# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a standby resource stands on must be standby, too."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse

VG = {"type": "vg", "name": "v-1"}
LV = {"type": "lv", "vg": "v-1", "name": "l"}
LOOP = {"type": "loop", "file": "/srv/f"}


def ext4(dev, mnt="/srv/a"):
    return {"type": "ext4", "dev": dev, "mnt": mnt}


def container(**keywords):
    return {"image": "i", **keywords}


ON = [
    ({"disk#1": VG}, "fs#1", ext4("/dev/v-1/l")),
    ({"disk#1": VG}, "fs#1", ext4("/dev/mapper/v--1-l")),
    ({"disk#1": LV}, "fs#1", ext4("/dev/v-1/l")),
    ({"disk#1": LOOP}, "fs#1", ext4("/srv/f")),
    ({"disk#1": VG}, "disk#2", LV),
    ({"disk#1": LOOP}, "disk#2", {**VG, "pvs": "/srv/f"}),
    ({"fs#1": ext4("/dev/sdx")}, "fs#2", {"type": "tmpfs", "mnt": "/srv/a/b"}),
    ({"fs#1": ext4("/dev/sdx")}, "fs#2", {"type": "bind", "dev": "/srv/a/b", "mnt": "/srv/c"}),
    ({"fs#1": ext4("/dev/sdx")}, "container#1", container(volume_mounts="/srv/a/b:/b")),
    ({"fs#1": ext4("/dev/sdx"), "DEFAULT": {"docker_data_dir": "/srv/a/docker"}}, "container#1", container()),
]


@pytest.mark.parametrize(("below", "rid", "keywords"), ON, ids=str)
def test_a_standby_resource_on_one_that_is_stopped_is_refused(below, rid, keywords):
    (lower,) = [name for name in below if name != "DEFAULT"]
    with pytest.raises(DefinitionError) as caught:
        parse("a/b", {**below, rid: {**keywords, "standby": True}}, "n1")
    text = "section [%s], keyword standby: %s is standby and stands on %s, which is not: make %s standby, too"
    assert text % (rid, rid, lower, lower) in str(caught.value)


@pytest.mark.parametrize(("below", "rid", "keywords"), ON, ids=str)
@pytest.mark.parametrize(
    ("lower", "upper"), [("standby", "standby"), ("standby", None), (None, None), ("disable", "standby")]
)
def test_what_a_stop_can_do(below, rid, keywords, lower, upper):
    raw = {name: {**values, **({lower: True} if lower and name != "DEFAULT" else {})} for name, values in below.items()}
    raw[rid] = {**keywords, **({upper: True} if upper else {})}
    assert rid in [resource.rid for resource in parse("a/b", raw, "n1").resources]


FREE = [
    ({"disk#1": VG}, "fs#1", ext4("/dev/v-10/l")),
    ({"disk#1": LV}, "fs#1", ext4("/dev/v-1/m")),
    ({"disk#1": LOOP}, "fs#1", ext4("/srv/g")),
    ({"fs#1": ext4("/dev/sdx")}, "fs#2", {"type": "tmpfs", "mnt": "/srv/ab"}),
    ({"fs#1": ext4("/dev/sdx")}, "container#1", container(volume_mounts="/srv/ab:/b")),
]


@pytest.mark.parametrize(("beside", "rid", "keywords"), FREE, ids=str)
def test_what_lies_beside_does_not_matter(beside, rid, keywords):
    parse("a/b", {**beside, rid: {**keywords, "standby": True}}, "n1")
