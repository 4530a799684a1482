# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, superblocks and devices: output and exit codes of the tools, and what is made of them."""

from __future__ import annotations

import os
import struct
import time

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import block, commands, filesystems
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Result, Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import NodeError, Undetermined
from ansible_collections.dockyard.svc.plugins.module_utils.node.filesystems import Facts
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal

DEVICE = "/dev/vgapp/lvdata"

CHECKS = [
    (0, "lvdata: clean, 11/8192 files", None),
    (1, "lvdata: recovering journal", "errors were corrected"),
    (2, "", "must be rebooted"),
    (3, "", "errors were corrected and errors were corrected and the node must be rebooted"),
    (4, "UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.", "errors were left uncorrected"),
    (5, "", "errors were corrected and errors were left uncorrected"),
    (8, "lvdata is mounted.", "operational error"),
    (12, "", "errors were left uncorrected and operational error"),
    (16, "", "usage error"),
    (32, "", "cancelled"),
    (33, "", "errors were corrected and cancelled"),
    (128, "", "shared library error"),
    (-9, "", "ended by signal 9"),
]


@pytest.mark.parametrize(("rc", "said", "words"), CHECKS)
def test_the_exit_codes_of_e2fsck(monkeypatch, rc, said, words):
    called = []
    monkeypatch.setattr(commands, "execute", lambda argv, *_rest: called.append(argv) or Result(rc, said))
    run = Runner(Journal("s"))
    if rc in (0, 1):
        remark = filesystems.check(run, "fs#1", DEVICE, 5)
        assert remark == ("%s: %s: %s" % (DEVICE, words, said) if words else "")
    else:
        with pytest.raises(NodeError) as caught:
            filesystems.check(run, "fs#1", DEVICE, 5)
        assert "ended with %d (%s)" % (rc, words) in str(caught.value) or rc == 2
        assert words in str(caught.value) and said in str(caught.value) and "is not mounted" in str(caught.value)
    assert called == [["e2fsck", "-p", DEVICE]]


MKFS = [
    (("ext4", [], False), ["mkfs.ext4", "-q", "-U", "u", DEVICE]),
    (("ext3", ["-m", "0"], False), ["mkfs.ext3", "-q", "-U", "u", "-m", "0", DEVICE]),
    (("ext4", ["-m", "0"], True), ["mkfs.ext4", "-q", "-U", "u", "-O", "mmp", "-m", "0", DEVICE]),
    (("ext4", ["-O", "^64bit"], True), ["mkfs.ext4", "-q", "-U", "u", "-O", "^64bit,mmp", DEVICE]),
    (("ext4", ["-O^64bit", "-m", "0"], True), ["mkfs.ext4", "-q", "-U", "u", "-O^64bit,mmp", "-m", "0", DEVICE]),
    (("xfs", ["-i", "size=512"], False), ["mkfs.xfs", "-q", "-m", "uuid=u", "-i", "size=512", DEVICE]),
    (("btrfs", [], False), ["mkfs.btrfs", "-q", "-U", "u", DEVICE]),
]


@pytest.mark.parametrize(("given", "argv"), MKFS, ids=str)
def test_how_a_file_system_is_made(given, argv):
    kind, options, mmp = given
    assert filesystems.mkfs_command(kind, DEVICE, "u", options, mmp) == argv


PROBES = [
    (Result(0, "DEVNAME=/dev/x\nUUID=AB-CD\nTYPE=ext4\nUSAGE=filesystem\n"), Facts("ext4", "ab-cd")),
    (Result(2), Facts()),
    (Result(2, "", "blkid: error: /dev/x: Input/output error"), None),
    (Result(8, "", "ambivalent result"), None),
    (Result(4), None),
]


@pytest.mark.parametrize(("result", "expected"), PROBES, ids=str)
def test_what_blkid_says(monkeypatch, tmp_path, result, expected):
    device = tmp_path / "x"
    device.touch()
    monkeypatch.setattr(filesystems, "execute", lambda *_args: result)
    if expected is None:
        with pytest.raises(Undetermined):
            filesystems.facts(str(device))
    else:
        assert filesystems.facts(str(device)) == expected


DISKS_OF_ONE = "DEVNAME=/dev/x1\nUUID=a\nUUID_SUB=1\nTYPE=btrfs\n\nDEVNAME=/dev/x2\nUUID=a\nUUID_SUB=2\nTYPE=btrfs\n"
"""A btrfs on two disks."""
TAGS = [
    (Result(0, "DEVNAME=/dev/sdb1\nUUID=a\nTYPE=ext4\n"), ["/dev/sdb1"]),
    (Result(2, ""), []),
    (Result(0, "DEVNAME=/dev/x1\nUUID=a\nTYPE=ext4\n\nDEVNAME=/dev/x2\nUUID=b\nTYPE=xfs\n"), ["/dev/x1", "/dev/x2"]),
    (Result(0, DISKS_OF_ONE), ["/dev/x1"]),
    (Result(0, DISKS_OF_ONE + "\nDEVNAME=/dev/x3\nUUID=a\nUUID_SUB=1\nTYPE=btrfs\n"), ["/dev/x1", "/dev/x3"]),
    (Result(2, "", "usage"), Undetermined),
    (Result(0, "nonsense"), Undetermined),
]


@pytest.mark.parametrize(("result", "expected"), TAGS, ids=str)
def test_what_blkid_says_of_a_tag(monkeypatch, result, expected):
    monkeypatch.setattr(filesystems, "execute", lambda *_args: result)
    if expected is Undetermined:
        with pytest.raises(Undetermined):
            filesystems.devices_with("LABEL=x")
    else:
        assert filesystems.devices_with("LABEL=x") == expected


UUID = "0f3b5b5e-0000-4000-8000-00000000000a"


@pytest.mark.parametrize("others", [0, 1])
def test_udev_is_believed_when_it_knows_one_device_alone(monkeypatch, tmp_path, others):
    (tmp_path / UUID).touch()
    for number in range(1 + others):
        (tmp_path / ("b0:%d" % number)).write_text("S:x\nE:ID_FS_UUID=%s\n" % UUID, encoding="utf-8")
    monkeypatch.setattr(filesystems, "_UDEV", str(tmp_path))
    monkeypatch.setattr(filesystems, "_BY_UUID", "%s/" % tmp_path)
    said = "DEVNAME=/dev/x1\nUUID=a\n\nDEVNAME=/dev/x2\nUUID=a\n"
    monkeypatch.setattr(filesystems, "execute", lambda *_args: Result(0, said))
    expected = ["/dev/x1", "/dev/x2"] if others else [str(tmp_path / UUID)]
    assert filesystems.devices_with("UUID=" + UUID.upper()) == expected


@pytest.mark.parametrize(("features", "expected"), [(0x2C2, False), (0x3C2, True)])
def test_the_guard_in_a_superblock(tmp_path, features, expected):
    superblock = bytearray(1024)
    struct.pack_into("<H", superblock, 0x38, 0xEF53)
    struct.pack_into("<I", superblock, 0x60, features)
    file = tmp_path / "x"
    file.write_bytes(bytes(1024) + superblock)
    assert filesystems.has_mmp(str(file)) is expected


@pytest.mark.parametrize("data", [b"", bytes(1500), bytes(4096)], ids=len)
def test_no_superblock_is_no_answer(tmp_path, data):
    file = tmp_path / "x"
    file.write_bytes(data)
    with pytest.raises(Undetermined):
        filesystems.has_mmp(str(file))


def signatures(*kinds):
    return '{"signatures": [%s]}' % ", ".join('{"offset": "0x438", "type": "%s"}' % kind for kind in kinds)


CONTENTS = [
    (signatures("ext4"), b"", "an ext4 file system"),
    (signatures("xfs"), b"", "an xfs file system"),
    (signatures("btrfs"), b"", "a btrfs file system"),
    (signatures("crypto_LUKS"), b"", "an encrypted volume (LUKS)"),
    (signatures("LVM2_member"), b"", "a physical volume of LVM"),
    (signatures("gpt", "gpt", "PMBR"), b"", "a partition table (gpt)"),
    (signatures("ext4", "dos"), b"", "a partition table (dos) and an ext4 file system"),
    (signatures(), b"", ""),
    ("", b"", ""),
    (signatures(), b"x", "data of unknown kind"),
    (signatures(), bytes(1000) + b"x" + bytes(3 << 20), "data of unknown kind"),
    (signatures(), bytes(3 << 20) + b"x", "data of unknown kind"),
    (signatures(), bytes(4 << 20), ""),
    (signatures(), bytes(2 << 20) + b"x" + bytes(2 << 20), ""),
]


@pytest.mark.parametrize(("said", "data", "expected"), CONTENTS, ids=lambda value: str(value)[:50])
def test_what_is_on_a_device(monkeypatch, tmp_path, said, data, expected):
    file = tmp_path / "x"
    file.write_bytes(data)
    monkeypatch.setattr(block, "execute", lambda *_args: Result(0, said))
    assert block.content(str(file)) == expected


@pytest.mark.parametrize("result", [Result(1, "", "no such device"), Result(0, "nonsense"), Result(0, "[]")], ids=str)
def test_an_answer_of_wipefs_that_is_none(monkeypatch, tmp_path, result):
    monkeypatch.setattr(block, "execute", lambda *_args: result)
    with pytest.raises(Undetermined):
        block.content(str(tmp_path))


@pytest.mark.parametrize("path", ["/nosuch", "/dev/null", "/etc"])
def test_what_is_no_block_device(path):
    for question in (block.number, block.is_free):
        with pytest.raises(Undetermined):
            question(path)


def test_a_look_at_a_folder(tmp_path):
    os.chmod(tmp_path, 0o2750)
    root = filesystems.look(str(tmp_path), 5)
    assert (root.uid, root.gid, root.mode) == (os.geteuid(), os.stat(tmp_path).st_gid, 0o2750)


def test_a_look_that_fails(tmp_path):
    with pytest.raises(NodeError) as caught:
        filesystems.look(str(tmp_path / "nosuch"), 5)
    assert "No such file" in str(caught.value) and not isinstance(caught.value, Undetermined)


def test_a_look_that_takes_too_long(monkeypatch, tmp_path):
    slow = tmp_path / "stat"
    slow.write_text("#!/bin/sh\nexec sleep 20\n", encoding="utf-8")
    slow.chmod(0o755)
    monkeypatch.setitem(filesystems.ENVIRONMENT, "PATH", "%s:/bin:/usr/bin" % tmp_path)
    monkeypatch.setenv("PATH", "%s:/bin:/usr/bin" % tmp_path)
    begun = time.monotonic()
    with pytest.raises(Undetermined):
        filesystems.look("/", 0.1)
    assert time.monotonic() - begun < 5
