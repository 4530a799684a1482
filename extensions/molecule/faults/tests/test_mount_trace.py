# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service has mounted is its own whatever became of the name, and what a stranger has mounted is the stranger's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.filesystems import (
    MNT,
    RID,
    ROOT,
    Disk,
    apart,
    attach,
    commands,
    disk,
    fails,
    one,
    points_of,
    process,
    root,
    service,
)
from ansible_collections.dockyard.svc.tests.support import run, wait_for

__all__ = ["disk", "root"]
pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture
def link(disk: Disk) -> Any:
    """A name of the device below /dev."""
    path = "/dev/dockyard-test-" + os.path.basename(ROOT)
    os.symlink(disk.device, path)
    yield path
    if os.path.lexists(path):
        os.unlink(path)


def label(device: str, text: str) -> None:
    run("e2label", device, text)


@pytest.mark.parametrize("lost", ["gone", "another", "dev", "type", "label", "label of another"])
def test_a_device_that_the_definition_does_not_name_any_more(disk: Disk, link: str, lost: str) -> None:
    """It is on its mount point: not down, not started over, and what a stop unmounts and proves to be free."""
    other = Disk("other", "ext4")
    label(disk.device, "ours")
    svc = one("LABEL=ours" if lost.startswith("label") else link)
    svc.start()
    if lost in ("gone", "another"):
        os.unlink(link)
    if lost == "another":
        os.symlink(other.device, link)
    if lost.startswith("label"):
        label(disk.device, "lost")
    if lost == "label of another":
        label(other.device, "ours")
    svc = {"dev": one(other.device), "type": one(None, "tmpfs")}.get(lost, svc)
    assert svc.state(RID) == "warn" and "%s (ext4) is mounted on %s, as this" % (disk.device, MNT) in svc.remarks(RID)
    fails(svc, "started", "not what the definition names now: stop it")
    outcome = svc.stop()
    assert commands(outcome) == ["umount " + MNT] and points_of(MNT) == []
    assert disk.device in outcome["evidence"][RID]["device"]
    assert svc.state(RID) == "down" and not svc.stop()["changed"]


def test_a_lost_name_and_a_copy_in_another_namespace(disk: Disk, link: str) -> None:
    """The mount here is gone, the name is gone, and the device is not free."""
    svc = one(link, umount_timeout="100ms")
    svc.start()
    with apart() as pid:
        os.unlink(link)
        run("umount", MNT)
        for _attempt in range(2):
            fails(svc, "stopped", "still in use: mounted on %s in the mount namespace of pid %d" % (MNT, pid))
        where = "%s, in the mount namespace of pid %d" % (MNT, pid)
        wait_for(lambda: where in svc.remarks(RID))
    svc.stop()


def test_another_disk_with_the_number_of_ours(link: str) -> None:
    """Ours was unmounted and detached by hand: what is on the mount point now is somebody else's, and stays.

    Of an xfs the kernel tells no number but that of the device.
    """
    first, other = Disk("first", "xfs"), Disk("other", "xfs")
    os.unlink(link)
    os.symlink(first.device, link)
    svc = one(link, "xfs")
    svc.start()
    run("umount", MNT)
    run("losetup", "--detach", other.device)
    run("losetup", "--detach", first.device)
    os.unlink(link)
    if run("losetup", first.device, other.file, check=False).returncode:
        pytest.skip("somebody else of the machine has taken the loop device")
    run("mount", first.device, MNT)
    assert svc.state(RID) == "down" and "is mounted on %s instead" % MNT in svc.remarks(RID)
    assert not svc.stop()["changed"] and points_of(MNT) == [MNT]


@pytest.mark.parametrize("how", ["renamed", "replaced", "removed", "covered"])
def test_a_bound_folder_that_is_not_at_its_place(how: str) -> None:
    """It is known again, told, and can be released."""
    folder = ROOT + "/folder"
    os.makedirs(folder)
    svc, hurried = one(folder, "bind"), one(folder, "bind", umount_timeout="100ms")
    svc.start()
    if how in ("renamed", "replaced"):
        os.rename(folder, folder + "-old")
    if how == "replaced":
        os.mkdir(folder)
    if how == "removed":
        os.rmdir(folder)
    if how == "covered":
        run("mount", "-t", "tmpfs", "cover", folder)
    assert svc.state(RID) == "warn" and "not what the definition names now" in svc.remarks(RID)
    fails(svc, "started", "not what the definition names now: stop it")
    with apart() as pid:
        fails(hurried, "stopped", "still mounted on %s, in the mount namespace of pid %d" % (MNT, pid))
    svc.stop()
    assert points_of(MNT) == [] and svc.state(RID) == "down"
    if how in ("replaced", "covered"):
        svc.start()
        svc.stop()


def test_another_folder_bound_by_a_stranger() -> None:
    """On the same file system, with the numbers that ours had."""
    os.makedirs(ROOT + "/folder")
    os.makedirs(ROOT + "/theirs")
    svc = one(ROOT + "/folder", "bind")
    svc.start()
    run("umount", MNT)
    run("mount", "--bind", ROOT + "/theirs", MNT)
    assert svc.state(RID) == "down"
    assert not svc.stop()["changed"] and points_of(MNT) == [MNT]


# What has no device


@pytest.mark.parametrize("how", ["moved", "renamed", "bound"])
def test_a_tmpfs_that_lives_on_elsewhere(how: str) -> None:
    """Its data are not where the service needs them: that is told, nothing is mounted over it, and it is not released."""
    mnt = ROOT + "/parent/mnt"
    svc, hurried = one(None, "tmpfs", mnt=mnt), one(None, "tmpfs", mnt=mnt, umount_timeout="100ms")
    svc.start()
    os.makedirs(ROOT + "/other")
    place = ROOT + ("/parent-2/mnt" if how == "renamed" else "/other")
    if how == "renamed":
        os.rename(ROOT + "/parent", ROOT + "/parent-2")
    else:
        run("mount", "--move" if how == "moved" else "--bind", mnt, place)
    if how != "bound":
        wait_for(lambda: "tmpfs (tmpfs), which this service has mounted, is on " + place in svc.remarks(RID))
        fails(svc, "started", "is on %s: unmount it there, or move it back" % place)
    fails(hurried, "stopped", "tmpfs (tmpfs) is still mounted on " + place)
    assert points_of(ROOT) == [place]
    run("umount", place)
    svc.stop()
    svc.start()
    svc.stop()


@pytest.mark.parametrize("before", ["nothing", "ours", "another boot", "no record"])
def test_a_tmpfs_of_a_stranger(before: str) -> None:
    """It looks like ours, and its data would be lost with it: it is told, and left alone."""
    svc = one(None, "tmpfs")
    record = Path(svc.machine.state_folder, "record.json")
    os.makedirs(MNT)
    if before != "nothing":
        svc.start()
    if before in ("ours", "nothing"):  # the kernel gives the same numbers again
        run("umount", MNT, check=False)
        run("mount", "-t", "tmpfs", "tmpfs", MNT)
    elif before == "another boot":
        text = record.read_text(encoding="utf-8")
        boot = json.loads(text)["claims"][RID]["boot"]
        record.write_text(text.replace(boot, "0" * len(boot)), encoding="utf-8")
    else:
        record.unlink()
    Path(MNT, "precious").touch()
    hint = "nothing tells that this service has mounted it: when it is not needed, 'umount %s'" % MNT
    assert svc.state(RID) == "warn" and hint in svc.remarks(RID)
    for state in ("started", "stopped", "unprovisioned"):
        assert fails(svc, state)["commands"] == []
    fails(svc, "stopped", hint)
    assert os.listdir(MNT) == ["precious"]
    run("umount", MNT)
    svc.stop()
    svc.start()
    svc.stop()
    assert points_of(MNT) == []


def test_a_start_that_was_cut_off_after_the_mount() -> None:
    """Before it could remember what it has mounted: that it was about to do so is known."""
    svc = one(None, "tmpfs")
    svc.start()
    svc.stop()
    with replaced("mount", '"$REAL" "$@"; case "$*" in *tmpfs*) kill -9 $PPID;; esac'):
        assert svc.module("started").wait() == -9
    assert points_of(MNT) == [MNT] and svc.state(RID) == "up"
    assert not svc.start()["changed"]
    svc.stop()
    assert points_of(MNT) == []


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 16"])
def test_a_mount_that_worked_and_ended_badly(disk: Disk, end: str) -> None:
    """It is taken back as every other change of a failed start."""
    svc = one(disk.device)
    with replaced("mount", '"$REAL" "$@"; case "$*" in *ext4*) %s;; esac' % end):
        outcome = svc.act("started")
    assert outcome["failed"] and points_of(MNT) == [] and not os.path.exists(MNT)
    assert not svc.stop()["changed"]


# Names


@pytest.mark.parametrize("name", [b"nb\xc2\xa0sp", b"lat\xe9", b"cr\rx", b"fs\x1cx", b"nl\nx", b"sp x"])
def test_names_of_mounts_hold_any_byte(disk: Disk, name: bytes) -> None:
    """One strange mount point on the node, or in the file system, is told as far as it can be, and stops nothing else."""
    svc = one(disk.device, umount_timeout="100ms")
    svc.start()
    for folder in (ROOT, MNT):
        place = folder.encode() + b"/" + name
        os.makedirs(place)
        subprocess.run([b"mount", b"-t", b"tmpfs", name, place], check=True)
        try:
            assert svc.info()["overall"] == "up"
            module = svc.module("stopped")
            assert (module.wait() != 0) == (folder == MNT)
            assert folder == ROOT or "other file systems are mounted in it" in module.outcome()["msg"]
        finally:
            subprocess.run([b"umount", place], check=True)
        svc.start()
    svc.stop()
    subprocess.run([b"mount", b"-t", b"tmpfs", name, MNT.encode()], check=True)
    module = svc.module("started")
    code = module.wait()
    run("umount", MNT)
    assert code != 0 and "is mounted on %s: it would be hidden" % MNT in module.outcome()["msg"]


def test_a_space_that_the_kernel_does_not_escape() -> None:
    """A mount on a neighbour with such a name is none on the mount point."""
    place = MNT + "\u00a0old"
    os.makedirs(MNT)
    os.makedirs(place)
    run("mount", "-t", "tmpfs", "tmpfs", place)
    svc = one(None, "tmpfs")
    assert svc.state(RID) == "down" and svc.remarks(RID) == ""
    svc.start()
    svc.stop()
    run("umount", place)


# Devices


@pytest.fixture
def volumes() -> Disk:
    """A btrfs with the subvolumes a and b."""
    disk = Disk("volumes", "btrfs")
    os.makedirs(ROOT + "/all")
    run("mount", disk.device, ROOT + "/all")
    for name in "ab":
        run("btrfs", "subvolume", "create", ROOT + "/all/" + name)
    run("umount", ROOT + "/all")
    return disk


def test_two_subvolumes_of_one_device(volumes: Disk) -> None:
    """Each is started and released alone, while the other has the device; a stranger's mount of it is none of them."""
    sections = {
        "fs#%s" % name: {
            "type": "btrfs",
            "dev": volumes.device,
            "mnt": "%s/%s" % (ROOT, name),
            "mnt_opt": "subvol=" + name,
            "umount_timeout": "100ms",
        }
        for name in "ab"
    }
    svc = service(**sections)
    planned = commands(svc.start(check_mode=True))
    assert planned == commands(svc.start()) and svc.status()["overall"] == "up"
    outcome = svc.stop(rid="fs#b")
    assert "in use by other file systems of the service alone" in outcome["evidence"]["fs#b"]["device"]
    assert points_of(ROOT) == [ROOT + "/a"] and svc.remarks("fs#b") == ""
    svc.start(rid="fs#b")
    with apart() as pid:
        outcome = svc.act("stopped", rid="fs#b")
        assert "still mounted on %s/b, in the mount namespace of pid %d" % (ROOT, pid) in outcome["msg"], outcome
    run("mount", volumes.device, ROOT + "/all")
    for state in ("started", "stopped"):
        outcome = svc.act(state, rid="fs#b")
        assert outcome["failed"] and "mounted on %s/a and %s/all" % (ROOT, ROOT) in outcome["msg"], outcome
    run("umount", ROOT + "/all")
    assert "exclusive open" in svc.stop()["evidence"]["fs#a"]["device"]
    assert points_of(ROOT) == []


def test_another_subvolume_than_declared(volumes: Disk) -> None:
    """It is another file system to those who use it."""
    os.makedirs(MNT)
    for option in ("subvol=/b", "subvolid=257"):
        run("mount", "-o", "subvol=a", volumes.device, MNT)
        svc = one(volumes.device, "btrfs", mnt_opt=option, umount_timeout="100ms")
        assert svc.state(RID) == "down" and "folder /a of it) is mounted on %s instead" % MNT in svc.remarks(RID)
        fails(svc, "stopped", "still in use: mounted on " + MNT)
        run("umount", MNT)
        svc.start()
        svc.stop()


@pytest.mark.parametrize("tag", ["UUID", "LABEL"])
def test_a_clone_of_the_device(tag: str) -> None:
    """Which of the two is meant cannot be told: nothing is mounted. What is mounted already is known, and can be released."""
    first = Disk("first", "ext4", "-L", "twins-" + os.path.basename(ROOT)[3:])
    value = run("blkid", "--probe", "--match-tag", tag, "--output", "value", first.device).stdout.strip()
    svc = one("%s=%s" % (tag, value))
    svc.start()
    run("cp", first.file, ROOT + "/second.img")
    second = attach(ROOT + "/second.img")
    assert svc.state(RID) == "warn" and "several devices have %s=" % tag in svc.remarks(RID)
    assert svc.stop()["evidence"][RID]["device"] == "an exclusive open of %s succeeded" % first.device
    assert svc.state(RID) == "down" and not svc.stop()["changed"]
    fails(svc, "started", "several devices have %s=%s: " % (tag, value), first.device, second)


def test_a_frozen_file_system(disk: Disk) -> None:
    """The umount succeeds, and the device stays in use by nobody: the way out is told, and nobody else is blamed for it."""
    svc = one(disk.device, umount_timeout="100ms")
    svc.start()
    os.makedirs(ROOT + "/folder")
    run("mount", "-t", "ext4", Disk("lazy", "ext4").device, ROOT + "/folder")
    innocent = process("import sys\nstream = open(sys.argv[1], 'w')", ROOT + "/folder/file")
    with innocent as pid:
        run("umount", "--lazy", ROOT + "/folder")
        run("fsfreeze", "--freeze", MNT)
        try:
            outcome = fails(svc, "stopped", "still in use: by whom cannot be seen from here", "'fsfreeze --unfreeze'")
            assert "pid %d" % pid not in outcome["msg"]
        finally:
            run("mount", disk.device, MNT)
            run("fsfreeze", "--unfreeze", MNT)
            run("umount", MNT)
    svc.stop()
