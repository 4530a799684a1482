# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names and numbers around a mount."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import mount_check
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.mount_check import unit_name
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.mount_provision import uuid_for, volume_name
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import NodeError

UNITS = [
    ("/srv/app", "srv-app"),
    ("/srv/app-1/data", "srv-app\\x2d1-data"),
    ("/srv/.hidden", "srv-.hidden"),
    ("/opt/app.opensvc.com/appdata", "opt-app.opensvc.com-appdata"),
    ("/srv/a+b", "srv-a\\x2bb"),
    ("/.x", "\\x2ex"),
]


@pytest.mark.parametrize(("point", "name"), UNITS)
def test_the_unit_of_a_mount_point(point, name):
    assert unit_name(point) == name


FSTAB = [
    ("/dev/sda1 / ext4 defaults 0 1", ("/dev/sda1", "/", ["defaults"])),
    ("UUID=ab\t/srv/a\\040b  ext4\tnoauto,rw", ("UUID=ab", "/srv/a b", ["noauto", "rw"])),
    ("/dev/sdb1 /srv/x/", ("/dev/sdb1", "/srv/x", [])),
    ("#/dev/sda1 / ext4 defaults", None),
    ("   # a comment", None),
    ("", None),
    ("half", None),
]


@pytest.mark.parametrize(("line", "expected"), FSTAB)
def test_a_line_of_fstab(monkeypatch, tmp_path, line, expected):
    file = tmp_path / "fstab"
    file.write_text(line + "\n", encoding="utf-8")
    monkeypatch.setattr(mount_check, "_FSTAB", str(file))
    assert list(mount_check._fstab_lines()) == ([expected] if expected else [])


VOLUMES = [
    ("/dev/vgapp/lvdata", "vgapp", "lvdata"),
    ("/dev/mapper/vgapp-lvdata", "vgapp", "lvdata"),
    ("/dev/mapper/vg--app-lv--data", "vg-app", "lv-data"),
    ("/dev/mapper/vg-app-data", "vg", None),
    ("/dev/mapper/vgapp-lvdata", "vg", None),
    ("/dev/other/lvdata", "vgapp", None),
    ("/dev/vgapp/sub/lvdata", "vgapp", None),
    ("/dev/sdb", "vgapp", None),
]


@pytest.mark.parametrize(("dev", "group", "name"), VOLUMES)
def test_the_volume_that_a_path_names(dev, group, name):
    if name is None:
        with pytest.raises(NodeError):
            volume_name(dev, group)
    else:
        assert volume_name(dev, group) == name


def test_a_uuid_for_every_resource():
    assert uuid_for("a", "fs#1") == uuid_for("a", "fs#1")
    assert len({uuid_for("a", "fs#1"), uuid_for("a", "fs#2"), uuid_for("b", "fs#1")}) == 3
