# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file system section may say: values, and the keyword that is refused."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.mount_options import refusals

GOOD = [
    {},
    {"dev": "/dev/mapper/vgdocker-lvdockerroot", "mnt_opt": "rw"},
    {"dev": "/dev/disk/by-id/scsi-3600508b1001c"},
    {"dev": "UUID=6e0e0a5c-5d0c-4b6f-9b8e-2f1c7f2b8a10"},
    {"dev": "LABEL=app_data"},
    {"dev": "/srv/disks/app.img"},
    {"type": "xfs", "mnt_opt": "rw,noatime,logbsize=256k,_netdev,inode64"},
    {"type": "btrfs", "mnt_opt": "subvol=/app,compress=zstd:3"},
    {"type": "ext4", "mnt_opt": "data=ordered,errors=remount-ro,context=system_u:object_r:svirt_sandbox_file_t:s0"},
    {"type": "tmpfs", "dev": None, "size": 1000},
    {"type": "tmpfs", "dev": "scratch", "mnt_opt": "nr_inodes=1k"},
    {"type": "bind", "dev": "/srv/data", "mnt_opt": "ro,nosuid"},
    {"type": "nfs", "dev": "filer1:/vol/app", "mnt_opt": "vers=4.2,hard,timeo=600"},
    {"type": "nfs4", "dev": "[2001:db8::1]:/vol/app"},
    {"perm": "0750"},
    {"perm": "2775"},
    {"perm": "755"},
    {"mnt": "/srv/app/data"},
    {"mnt": "/var/lib/app"},
    {"mnt": "/home/app"},
    {"vg": "vgapp", "size": 1 << 30},
]

BAD = [
    ({"dev": None}, "dev", "is missing: a file system of type ext4 needs a device"),
    ({"dev": "sda1"}, "dev", "must be a device such as"),
    ({"dev": "PARTUUID=12-34"}, "dev", "must be a device such as"),
    ({"dev": "/dev/../etc/shadow"}, "dev", "components . or .."),
    ({"dev": "/srv/a b"}, "dev", "must be a device such as"),
    ({"dev": "filer:/vol"}, "dev", "must be a device such as"),
    ({"type": "bind", "dev": None}, "dev", "is missing"),
    ({"type": "bind", "dev": "srv/data"}, "dev", "must be the absolute path of the folder"),
    ({"type": "bind", "dev": "/proc/1/root"}, "dev", "must be the absolute path of the folder"),
    ({"type": "nfs", "dev": None}, "dev", "is missing"),
    ({"type": "nfs", "dev": "/vol/app"}, "dev", "must be server:/path"),
    ({"type": "nfs", "dev": "-o evil:/vol"}, "dev", "must be server:/path"),
    ({"type": "tmpfs", "dev": "a b"}, "dev", "one word"),
    ({"perm": "rwx"}, "perm", "octal"),
    ({"perm": "0888"}, "perm", "octal"),
    ({"perm": "7"}, "perm", "octal"),
    ({"type": "tmpfs", "dev": None, "size": 5, "mnt_opt": "size=1g"}, "size", "in mnt_opt, too"),
    ({"vg": "vgapp"}, "size", "is missing"),
    *[
        ({"mnt": point}, "mnt", "belongs to the node itself")
        for point in (
            "/etc", "/etc/app", "/usr", "/usr/local/app", "/var", "/var/lib", "/var/lib/docker", "/run", "/run/app", "/proc",
            "/proc/1", "/sys", "/dev", "/dev/shm", "/boot", "/bin", "/lib64", "/home", "/root", "/tmp", "/srv", "/opt", "/mnt",
            "/var/lib/dockyard",
        )
    ],
    *[
        ({"mnt_opt": "rw," + word}, "mnt_opt", word.partition("=")[0])
        for word in (
            "remount", "bind", "rbind", "move", "loop", "loop=/dev/loop3", "offset=512", "nouuid", "x-systemd.automount",
            "X-mount.mkdir", "x-initrd.mount", "shared", "rshared", "make-private", "unbindable", "fake",
        )
    ],
]  # fmt: skip


def section(**given):
    none = dict.fromkeys(("mnt_opt", "size", "vg", "perm"))
    return {**none, "type": "ext4", "dev": "/dev/vgapp/lvdata", "mnt": "/srv/app", **given}


@pytest.mark.parametrize("given", GOOD, ids=str)
def test_values_that_are_right(given):
    assert list(refusals(section(**given))) == []


@pytest.mark.parametrize(("given", "keyword", "words"), BAD, ids=str)
def test_values_that_are_wrong(given, keyword, words):
    found = list(refusals(section(**given)))
    assert len(found) == 1 and found[0][0] == keyword and words in found[0][1], found
