# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import mounts

TABLE = [
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
    "2 1 8:1 /srv/app1/docker /srv/app1/docker rw - ext4 /dev/sda1 rw",
    "3 2 0:50 / /srv/app1/docker/overlay2/a/merged rw - overlay overlay rw",
    "4 1 8:2 / /srv/app10 rw - ext4 /dev/sdb rw",
    "5 4 8:2 /docker /srv/app10/docker rw - ext4 /dev/sdb rw",
    "6 1 8:3 / /srv/app2/docker rw - ext4 /dev/sdc rw",
    r"7 1 8:4 / /srv/a\040b rw - ext4 /dev/sdd rw",
]


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    monkeypatch.setattr(mounts, "table", lambda: [mounts._read(line) for line in TABLE])


@pytest.mark.parametrize(
    ("folder", "points"),
    [
        ("/srv/app1", ["/srv/app1/docker/overlay2/a/merged", "/srv/app1/docker"]),
        ("/srv/app1/docker", ["/srv/app1/docker/overlay2/a/merged"]),
        ("/srv/none", []),
    ],
)
def test_mounts_below_a_folder_are_deepest_first_and_never_a_neighbours(folder, points):
    assert [mount.point for mount in mounts.below(folder)] == points


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("/srv/app1/docker", 1),
        ("/srv/app10/docker", 1),
        ("/srv/app2/docker", 0),  # a file system of its own, which somebody has mounted there
        ("/srv/app3/docker", 0),
    ],
)
def test_only_a_folder_mounted_on_itself_is_a_self_bind(folder, count):
    assert len(mounts.self_binds(folder)) == count


@pytest.mark.parametrize("name", ["\u00a0old", "\udce9", "\r", "\x1c", "\u2003"])
def test_only_the_space_of_the_kernel_separates(name):
    mount = mounts._read("8 1 0:9 / /srv/app%s rw,nosuid shared:1 master:2 - tmpfs s%s rw,size=1k" % (name, name))
    assert (mount.point, mount.source, mount.super_options) == ("/srv/app" + name, "s" + name, ("rw", "size=1k"))


def test_escaped_characters_are_read():
    assert mounts.table()[-1].point == "/srv/a b"


WALKED = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
22 27 0:21 / /proc rw,nosuid - proc proc rw
40 27 7:0 / /srv/app rw,noatime shared:1 - ext4 /dev/loop0 rw,errors=remount-ro
41 40 7:1 / /srv/app/data ro,relatime - xfs /dev/loop1 rw
42 41 0:50 / /srv/app/data rw - tmpfs on\\040top rw,size=1k
43 27 7:2 / /srv/app1 rw - ext4 /dev/loop2 rw,emergency_ro
44 27 7:3 / /srv/hidden/inner rw - ext4 /dev/loop3 rw
45 27 0:51 / /srv/hidden rw - tmpfs cover rw
46 40 7:0 /docker /srv/app/docker rw - ext4 /dev/loop0 rw
"""


@pytest.fixture
def walked():
    return [mounts._read(line) for line in WALKED.splitlines()]


CARRYING = [
    ("/", 27),
    ("/srv", 27),
    ("/srv/app", 40),
    ("/srv/app/file", 40),
    ("/srv/app1", 43),
    ("/srv/app10", 27),
    ("/srv/app/data", 42),
    ("/srv/app/data/deep", 42),
    ("/srv/app/docker/x", 46),
    ("/srv/hidden/inner", 45),
    ("/proc/1", 22),
]


@pytest.mark.parametrize(("path", "number"), CARRYING)
def test_what_carries_a_path(walked, path, number):
    assert mounts.carrying(path, walked).id == number
    assert mounts.carrying(path, list(reversed(walked))).id == number


ON_TOP = [("/srv/app", 40), ("/srv/app/data", 42), ("/srv/hidden", 45)]


@pytest.mark.parametrize(("point", "number"), ON_TOP)
def test_what_is_visible_at_a_mount_point(walked, point, number):
    assert mounts.on_top(point, walked).id == number


@pytest.mark.parametrize("point", ["/srv", "/srv/app/file", "/srv/hidden/inner", "/srv/app10"])
def test_nothing_is_visible_at_other_places(walked, point):
    assert mounts.on_top(point, walked) is None


def test_what_a_line_says(walked):
    mount = walked[4]
    assert (mount.point, mount.source, mount.type) == ("/srv/app/data", "on top", "tmpfs")
    assert (mount.id, mount.parent, mount.device, mount.root) == (42, 41, "0:50", "/")
    assert walked[2].options == ("rw", "noatime") and walked[2].super_options == ("rw", "errors=remount-ro")


def test_which_can_be_written(walked):
    assert [mount.id for mount in walked if mount.read_only] == [41, 43]


def test_a_table_as_a_process_in_a_chroot_sees_it():
    table = [mounts._read("43 27 7:2 / /srv/app1 rw - ext4 /dev/loop2 rw")]
    assert mounts.carrying("/etc", table) is None
    assert mounts.carrying("/srv/app1/x", table).id == 43
