# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two resources, or two services of a node, cannot both have."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.claims import device_key
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all


def ip(name, **keywords):
    return {"ipname": name, "ipdev": "eth0", **keywords}


def ext4(mnt, dev, **keywords):
    return {"type": "ext4", "mnt": mnt, "dev": dev, **keywords}


def btrfs(mnt, options):
    return {"type": "btrfs", "mnt": mnt, "dev": "/dev/sdx", "mnt_opt": options}


def tmpfs(mnt, **keywords):
    return {"type": "tmpfs", "mnt": mnt, **keywords}


def problems(raw):
    try:
        parse_all(raw, "n1")
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []


INSIDE = [
    (
        {"ip#1": ip("192.0.2.1"), "ip#2": ip("192.0.2.1")},
        "[ip#2], keyword ipname: 192.0.2.1 is the address of ip#1, too",
    ),
    (
        {"ip#1": ip("2001:db8::1"), "ip#2": ip("2001:DB8:0::1")},
        "[ip#2], keyword ipname: 2001:DB8:0::1 is the address of ip#1, too",
    ),
    (
        {"vg#1": {"vgname": "v"}, "vg#2": {"vgname": "v"}},
        "[vg#2], keyword vgname: v is the volume group of disk#1, too",
    ),
    (
        {"lv#1": {"vg": "v", "name": "l"}, "lv#2": {"vg": "v", "name": "l"}},
        "[lv#2], keyword name: /dev/v/l is the device of disk#1, too",
    ),
    (
        {"loop#1": {"file": "/srv/f"}, "loop#2": {"file": "/srv//f"}},
        "[loop#2], keyword file: /srv/f is the device of disk#1, too",
    ),
    (
        {"fs#1": tmpfs("/srv/a"), "fs#2": tmpfs("/srv/a/")},
        "[fs#2], keyword mnt: /srv/a is the mount point of fs#1, too",
    ),
    (
        {"fs#1": ext4("/srv/a", "/dev/v-w/l"), "fs#2": ext4("/srv/b", "/dev/mapper/v--w-l")},
        "[fs#2], keyword dev: /dev/mapper/v--w-l is the device of fs#1, too",
    ),
    (
        {"fs#1": btrfs("/srv/a", "ro"), "fs#2": btrfs("/srv/b", "ro")},
        "[fs#2], keyword dev: /dev/sdx is the device of fs#1, too",
    ),
]


@pytest.mark.parametrize(("raw", "sentence"), INSIDE)
def test_two_resources_of_one_service(raw, sentence):
    assert problems({"a/b": raw}) == ["a/b, section " + sentence]


FINE_INSIDE = [
    {"ip#1": ip("192.0.2.1"), "ip#2": ip("192.0.2.2")},
    {"ip#1": ip("192.0.2.1"), "ip#2": ip("192.0.2.1", disable=True)},
    {"loop#1": {"file": "/srv/f"}, "fs#1": ext4("/srv/a", "/srv/f")},
    {"lv#1": {"vg": "v", "name": "l"}, "fs#1": ext4("/srv/a", "/dev/v/l")},
    {"vg#1": {"vgname": "v"}, "lv#2": {"vg": "v", "name": "l"}, "lv#3": {"vg": "v", "name": "m"}},
    {"fs#1": tmpfs("/srv/a", dev="tmpfs"), "fs#2": tmpfs("/srv/b", dev="tmpfs")},
    {
        "fs#1": {"type": "nfs", "mnt": "/srv/a", "dev": "h:/x"},
        "fs#2": {"type": "nfs", "mnt": "/srv/b", "dev": "h:/x"},
    },
    {
        "fs#1": {"type": "bind", "mnt": "/srv/a", "dev": "/srv/x"},
        "fs#2": {"type": "bind", "mnt": "/srv/b", "dev": "/srv/x"},
    },
    {"fs#1": btrfs("/srv/a", "subvol=a"), "fs#2": btrfs("/srv/b", "subvol=b")},
]


@pytest.mark.parametrize("raw", FINE_INSIDE)
def test_what_one_service_may_have(raw):
    assert problems({"a/b": raw}) == []


BETWEEN = [
    (
        {"ip#1": ip("192.0.2.1")},
        {"ip#7": ip("192.0.2.1")},
        "[ip#7], keyword ipname: 192.0.2.1 is the address of service a, too (ip#1)",
    ),
    (
        {"ip#1": ip("x.org")},
        {"ip#1": ip("X.org.")},
        "[ip#1], keyword ipname: X.org. is the address of service a, too (ip#1)",
    ),
    (
        {"vg#1": {"vgname": "v"}},
        {"vg#1": {"vgname": "v"}},
        "[disk#1], keyword name: v is the volume group of service a, too (disk#1)",
    ),
    (
        {"loop#1": {"file": "/srv/f"}},
        {"loop#1": {"file": "/srv/f"}},
        "[disk#1], keyword file: /srv/f is the device of service a, too (disk#1)",
    ),
    (
        {"loop#1": {"file": "/srv/f"}},
        {"fs#1": ext4("/srv/b", "/srv/f")},
        "[fs#1], keyword dev: /srv/f is the device of service a, too (disk#1)",
    ),
    (
        {"lv#1": {"vg": "v", "name": "l"}},
        {"fs#1": ext4("/srv/b", "/dev/mapper/v-l")},
        "[fs#1], keyword dev: /dev/mapper/v-l is the device of service a, too (disk#1)",
    ),
    (
        {"fs#1": btrfs("/srv/a", "subvol=a")},
        {"fs#1": btrfs("/srv/b", "subvol=b")},
        "[fs#1], keyword dev: /dev/sdx is the device of service a, too (fs#1)",
    ),
    (
        {"fs#1": tmpfs("/srv/x")},
        {"fs#1": tmpfs("/srv/x")},
        "[fs#1], keyword mnt: /srv/x is the mount point fs#1 of service a (/srv/x)",
    ),
    (
        {"fs#1": tmpfs("/srv/x")},
        {"fs#3": tmpfs("/srv/x/y")},
        "[fs#3], keyword mnt: /srv/x/y is inside the mount point fs#1 of service a (/srv/x)",
    ),
    (
        {"fs#1": tmpfs("/srv/x")},
        {"docker_data_dir": "/srv/x/docker"},
        "[DEFAULT], keyword docker_data_dir: /srv/x/docker is inside the mount point fs#1 of service a (/srv/x)",
    ),
    (
        {"docker_data_dir": "/srv/x"},
        {"fs#1": tmpfs("/srv/x/y")},
        "[fs#1], keyword mnt: /srv/x/y is inside the data root of service a (/srv/x)",
    ),
    (
        {"fs#1": tmpfs("/srv/x")},
        {"loop#1": {"file": "/srv/x/f"}},
        "[disk#1], keyword file: /srv/x/f is inside the mount point fs#1 of service a (/srv/x)",
    ),
]


@pytest.mark.parametrize(("first", "second", "sentence"), BETWEEN)
def test_two_services_of_one_node(first, second, sentence):
    (problem,) = problems({"a": first, "c/b": second})
    assert problem.startswith("c/b, section " + sentence)
    assert problems({"a": {**first, "nodes": "n2"}, "c/b": second}) == []
    assert problems({"a": {**first, "nodes": "n1 n2"}, "c/b": second}) == [problem]
    if not first.get("docker_data_dir"):
        assert problems({"a": {**first, "disable": True}, "c/b": second}) == []


FINE_BETWEEN = [
    ({"fs#1": tmpfs("/srv/app1")}, {"fs#1": tmpfs("/srv/app10")}),
    ({"fs#1": tmpfs("/srv/team/a")}, {"fs#1": tmpfs("/srv/team/b"), "docker_data_dir": "/srv/team/c"}),
    ({"fs#1": tmpfs("/srv/x"), "docker_data_dir": "/srv/x/docker"}, {"fs#1": tmpfs("/srv/x-2")}),
    ({"docker_data_dir": "/srv/a", "fs#1": tmpfs("/srv/a/volumes")}, {"docker_data_dir": "/srv/b"}),
    ({"lv#1": {"vg": "v", "name": "l"}}, {"lv#1": {"vg": "v", "name": "m"}}),
]


@pytest.mark.parametrize(("first", "second"), FINE_BETWEEN)
def test_services_that_get_along(first, second):
    assert problems({"a": first, "c/b": second}) == []


@pytest.mark.parametrize(
    ("device", "key"),
    [
        ("/dev/mapper/vgapp-lvroot", "/dev/vgapp/lvroot"),
        ("/dev/mapper/vg--app-lv--root--1", "/dev/vg-app/lv-root-1"),
        ("/dev/vgapp/lvroot", "/dev/vgapp/lvroot"),
        ("/dev//sda1", "/dev/sda1"),
        ("/dev/mapper/mpatha", "/dev/mapper/mpatha"),
        ("UUID=0A-bC", "UUID=0a-bc"),
        ("LABEL=A", "LABEL=A"),
    ],
)
def test_one_device_has_one_name(device, key):
    assert device_key(device) == key
