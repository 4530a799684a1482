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


def test_escaped_characters_are_read():
    assert mounts.table()[-1].point == "/srv/a b"
