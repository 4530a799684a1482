# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver fs: its sequence on real loop devices, from every half-way state, and after a kill at every step."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, Callable, ContextManager

import pytest
from ansible_collections.dockyard.svc.tests.filesystems import (
    MNT,
    RID,
    ROOT,
    SIZES,
    Disk,
    claiming,
    commands,
    disk,
    mounted,
    one,
    opening,
    points_of,
    root,
    service,
)
from ansible_collections.dockyard.svc.tests.support import run

__all__ = ["disk", "root"]
BLOCK = ("ext2", "ext3", "ext4", "xfs", "btrfs")
pytestmark = pytest.mark.usefixtures("root")


def source_of(kind: str) -> str:
    """Something to mount of each type."""
    if kind in BLOCK:
        return Disk("disk", kind).device
    if kind == "bind":
        os.makedirs(ROOT + "/data/deep")
        return ROOT + "/data/deep"
    return "tmpfs"


@pytest.mark.parametrize("kind", [*BLOCK, "tmpfs", "bind"])
def test_the_sequence(kind: str) -> None:
    """Check mode, start, again, stop, again: each is true, and the second time nothing happens."""
    svc = one(source_of(kind), kind, mnt_opt="rw,noatime", perm="0750", group="daemon")
    assert svc.state(RID) == "down"
    assert not svc.stop()["changed"]

    planned = svc.start(check_mode=True)
    assert planned["changed"] and not os.path.exists(MNT) and svc.state(RID) == "down"
    outcome = svc.start()
    assert outcome["changed"] and outcome["status"]["avail"] == "up", outcome
    assert commands(planned) == commands(outcome)
    assert points_of(MNT) == [MNT]
    assert "noatime" in run("findmnt", "--noheadings", "--output", "OPTIONS", MNT).stdout
    facts = os.stat(MNT)
    assert (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (0o750, 0, 1)
    assert svc.status()["resources"][RID]["label"] == "%s@%s" % (svc.raw[RID]["dev"], MNT)

    again = svc.start()
    assert not again["changed"] and commands(again) == []
    assert commands(svc.start(check_mode=True)) == []

    planned = svc.stop(check_mode=True)
    assert planned["changed"] and svc.state(RID) == "up"
    outcome = svc.stop()
    assert outcome["changed"] and outcome["status"]["avail"] == "down"
    assert commands(planned) == commands(outcome) == ["umount " + MNT]
    assert points_of(MNT) == []
    assert "not mounted" in outcome["evidence"][RID]["mounts"]
    if kind in BLOCK:
        assert outcome["evidence"][RID]["device"] == "an exclusive open of %s succeeded" % svc.raw[RID]["dev"]
    again = svc.stop()
    assert not again["changed"] and commands(again) == []
    assert svc.start()["status"]["avail"] == "up"


def test_a_start_that_is_done_again_gives_the_commands_of_check_mode(disk: Disk) -> None:
    """The second start finds the mount point, and the owner as the first has left them."""
    svc = one(disk.device, perm="0750")
    svc.start()
    svc.stop()
    both = ["e2fsck -p %s" % disk.device, "mount -t ext4 %s %s" % (disk.device, MNT)]
    assert commands(svc.start(check_mode=True)) == commands(svc.start()) == both
    planned = svc.restart(check_mode=True)
    assert commands(planned) == commands(svc.restart()) == ["umount " + MNT, *both]


def plain(outcome: dict[str, Any]) -> list[str]:
    """The commands of an action. Which loop device is the next one is not known before: others take some at any time."""
    return [re.sub(r"/dev/loop[0-9]+", "/dev/loopN", line) for line in commands(outcome)]


def test_everything_from_a_file_to_a_folder_in_it() -> None:
    """A file, its loop device, the file system on it, another one in it, and a folder of that bound elsewhere."""
    inner = Disk("inner", "xfs")
    run("truncate", "--size", "64M", ROOT + "/outer.img")
    run("mkfs.ext4", "-q", ROOT + "/outer.img")
    svc = service(
        **{
            "disk#1": {"type": "loop", "file": ROOT + "/outer.img"},
            "fs#3": {"type": "ext4", "dev": ROOT + "/outer.img", "mnt": MNT},
            "fs#2": {"type": "xfs", "dev": inner.device, "mnt": MNT + "/a/inner"},
            "fs#1": {"type": "bind", "dev": MNT, "mnt": ROOT + "/bound"},
        }
    )
    planned = plain(svc.start(check_mode=True))
    outcome = svc.start()
    assert planned == plain(outcome)
    assert outcome["status"]["avail"] == "up"
    assert points_of(ROOT) == [ROOT + "/bound", MNT, MNT + "/a/inner"]
    assert commands(svc.start()) == []
    planned = plain(svc.stop(check_mode=True))
    outcome = svc.stop()
    assert planned == plain(outcome)
    assert points_of(ROOT) == []
    assert outcome["status"]["avail"] == "down"
    assert run("losetup", "--associated", ROOT + "/outer.img").stdout == ""
    svc.start()
    assert points_of(ROOT) == [ROOT + "/bound", MNT, MNT + "/a/inner"]


# Half-way states


def fsck_only(disk: Disk) -> None:
    run("e2fsck", "-p", disk.device)


def folder_only(disk: Disk) -> None:
    os.makedirs(MNT)


def other_options(disk: Disk) -> None:
    mounted(disk.device, "-o", "noatime")


def wrong_owner(disk: Disk) -> None:
    other_options(disk)
    os.chown(MNT, 1, 1)


def twice(disk: Disk) -> None:
    """The file system is mounted a second time on top of itself."""
    other_options(disk)
    run("mount", "--bind", MNT, MNT)


def bound_on_itself(disk: Disk) -> None:
    """What a killed dockerd leaves."""
    other_options(disk)
    os.makedirs(MNT + "/docker", exist_ok=True)
    run("mount", "--bind", MNT + "/docker", MNT + "/docker")


HALFWAY: dict[Callable[[Disk], None], str] = {
    folder_only: "down",
    fsck_only: "down",
    other_options: "up",
    wrong_owner: "warn",
    twice: "up",
    bound_on_itself: "up",
}


@pytest.mark.parametrize("provoke", HALFWAY, ids=lambda provoke: provoke.__name__)
def test_halfway(disk: Disk, provoke: Callable[[Disk], None]) -> None:
    """The status is true, a start brings it up, a stop leaves nothing; the same when the stop comes first."""
    svc = one(disk.device, user="root", group="root")
    for first in ("start", "stop"):
        provoke(disk)
        assert svc.state(RID) == HALFWAY[provoke]
        if first == "start":
            svc.start()
            assert svc.state(RID) == "up"
        svc.stop()
        assert points_of(ROOT) == []
        if os.path.isdir(MNT):
            os.rmdir(MNT)


@pytest.mark.parametrize("action", ["started", "stopped"])
def test_a_kill_before_every_step(action: str) -> None:
    """kill -9 before each change: the status is true, a start goes on from there, and a stop cleans up."""
    run("truncate", "--size", "64M", ROOT + "/disk.img")
    run("mkfs.ext4", "-q", ROOT + "/disk.img")
    svc = service(
        **{
            "disk#1": {"type": "loop", "file": ROOT + "/disk.img"},
            "fs#1": {"type": "ext4", "dev": ROOT + "/disk.img", "mnt": MNT, "perm": "0700", "group": "daemon"},
            "fs#2": {"type": "tmpfs", "mnt": MNT + "/scratch", "size": "1m"},
        }
    )
    steps = 0
    while True:
        steps += 1
        if action == "stopped":
            svc.start()
        module = svc.module(action, {"DOCKYARD_FAULT_AT": str(steps)})
        if module.wait() != -9:
            assert not module.outcome()["failed"]
            break
        mounted = points_of(MNT)
        states = svc.status()["resources"]
        assert (states["fs#1"]["state"] != "down") == (MNT in mounted), (steps, states)
        assert (states["fs#2"]["state"] == "up") == (MNT + "/scratch" in mounted), (steps, states)
        if steps % 2:
            svc.start()
            assert svc.status()["avail"] == "up", steps
        svc.stop()
        assert points_of(ROOT) == [] and svc.status()["avail"] == "down", steps
        run("mkfs.ext4", "-q", "-F", ROOT + "/disk.img")
    assert steps > (6 if action == "started" else 2)


def test_a_failed_start_takes_back_what_it_changed(disk: Disk) -> None:
    """And nothing else: what was up before stays up, a folder that was there stays there."""
    run("mkdir", "-p", ROOT + "/other")
    first, second = ROOT + "/one/deep", ROOT + "/other"
    svc = service(
        **{
            "fs#1": {"type": "ext4", "dev": disk.device, "mnt": first, "perm": "0700"},
            "fs#2": {"type": "tmpfs", "mnt": second, "mnt_opt": "nonsense=1"},
        }
    )
    outcome = svc.act("started")
    assert outcome["failed"] and outcome["msg"].startswith("fs#2: ") and outcome["msg"].endswith("taken back: fs#1")
    assert points_of(ROOT) == [] and not os.path.exists(ROOT + "/one") and os.path.isdir(second)
    svc.start(rid="fs#1")
    assert svc.act("started")["failed"]
    assert points_of(ROOT) == [first]


def test_an_owner_that_a_failed_start_has_set_is_taken_back(disk: Disk) -> None:
    """The root folder gets the owner and mode that it had."""
    svc = service(
        **{
            "fs#1": {"type": "ext4", "dev": disk.device, "mnt": MNT, "perm": "0700", "user": "daemon"},
            "fs#2": {"type": "tmpfs", "mnt": ROOT + "/t", "mnt_opt": "nonsense=1"},
        }
    )
    svc.act("started")
    one(disk.device).start()
    assert (os.stat(MNT).st_uid, stat.S_IMODE(os.stat(MNT).st_mode)) == (0, 0o755)


# Devices have many names


@pytest.mark.parametrize("name", ["path", "link", "uuid", "label", "file"])
def test_f91_every_name_of_the_device(name: str) -> None:
    """What one name has mounted is up by every other name."""
    disk = Disk("disk", "ext4", "-L", "fslabel")
    os.symlink(disk.device, "/dev/dockyard-test-link")
    try:
        uuid = run("blkid", "--probe", "--match-tag", "UUID", "--output", "value", disk.device).stdout.strip()
        names = {
            "path": disk.device,
            "link": "/dev/dockyard-test-link",
            "uuid": "UUID=" + uuid,
            "label": "LABEL=fslabel",
            "file": disk.file,
        }
        svc = one(names[name])
        assert commands(svc.start(check_mode=True)) == commands(svc.start())
        for other in names.values():
            assert one(other).state(RID) == "up", other
        one(disk.device).stop()
        assert svc.state(RID) == "down"
    finally:
        os.unlink("/dev/dockyard-test-link")


def test_a_device_that_is_not_there() -> None:
    """Down, refused by a start, and no trouble to a stop."""
    for dev in ("/dev/nosuch", "UUID=0f3b5b5e-0000-4000-8000-000000000000", ROOT + "/disk.img"):
        svc = one(dev)
        assert svc.state(RID) == "down", svc.remarks(RID)
        outcome = svc.act("started")
        assert outcome["failed"] and outcome["commands"] == [], outcome
        assert svc.stop()["evidence"][RID]["device"] == "this node has no device of %s" % dev


# Provision


@pytest.mark.parametrize("kind", BLOCK)
def test_provision_and_unprovision(kind: str) -> None:
    """Only an empty device gets a file system; only one that was made here is cleared; then it can be made again."""
    disk = Disk("disk", size=SIZES.get(kind, 32))
    svc = one(disk.device, kind)
    for _round in range(2):
        planned = svc.act("provisioned", check_mode=True)
        outcome = svc.act("provisioned")
        assert not outcome["failed"], outcome["msg"]
        assert commands(planned) == commands(outcome) and commands(outcome)[0].startswith("mkfs." + kind)
        assert not svc.act("provisioned")["changed"]
        svc.start()
        Path(MNT, "file").write_text("data", encoding="utf-8")
        assert not svc.act("provisioned")["changed"]
        svc.stop()
        svc.start()
        planned = svc.act("unprovisioned", check_mode=True)
        outcome = svc.act("unprovisioned")
        assert not outcome["failed"] and outcome["changed"], outcome["msg"]
        assert commands(planned) == commands(outcome) and not os.path.exists(MNT)
        assert not svc.act("unprovisioned")["changed"]


PARTITION = "AAAAAIMAAAABAAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFWq"
"""A table with one partition."""
CONTENTS: dict[str, tuple[str, str]] = {
    "another file system": ("mkfs.ext3 -q {}", "an ext3 file system"),
    "swap": ("mkswap {}", "swap space"),
    "partitions": (
        "printf '%s' | base64 -d | dd of={} bs=1 seek=446 conv=notrunc" % PARTITION,
        "a partition table (dos)",
    ),
    "bytes at the start": ("sh -c 'echo x | dd of={} bs=1 seek=70000 conv=notrunc'", "data of unknown kind"),
    "bytes at the end": ("sh -c 'echo x | dd of={} bs=1 seek=33554000 conv=notrunc'", "data of unknown kind"),
}


@pytest.mark.parametrize("content", CONTENTS)
def test_f95_no_file_system_is_made_on_unknown_content(content: str) -> None:
    """The device is named with what it holds, and is as it was."""
    disk = Disk("disk")
    command, words = CONTENTS[content]
    run("sh", "-c", command.format(disk.device))
    run("sync", disk.device)
    before = run("sha256sum", disk.file).stdout
    outcome = one(disk.device).act("provisioned")
    assert outcome["failed"] and "holds %s" % words in outcome["msg"], outcome["msg"]
    assert commands(outcome) == [] and run("sha256sum", disk.file).stdout == before


@pytest.mark.parametrize("use", [claiming, opening])
def test_f95_no_file_system_is_made_on_a_device_in_use(use: Callable[[str], ContextManager[int]]) -> None:
    """An empty device that somebody has open, for himself alone or not."""
    disk = Disk("disk")
    with use(disk.device) as pid:
        outcome = one(disk.device).act("provisioned")
    assert outcome["failed"] and "in use: pid %d" % pid in outcome["msg"], outcome["msg"]


def test_a_file_system_in_use_is_not_destroyed() -> None:
    """Somebody checks or copies it."""
    disk = Disk("disk")
    svc = one(disk.device)
    svc.act("provisioned")
    with claiming(disk.device) as pid:
        outcome = svc.act("unprovisioned")
    assert (
        outcome["failed"] and "pid %d" % pid in outcome["msg"] and not any("dd " in line for line in commands(outcome))
    )
    assert svc.start()["status"]["avail"] == "up"


def test_a_kill_in_the_middle_of_unprovision() -> None:
    """The proof that it was made here is destroyed last."""
    disk = Disk("disk")
    svc = one(disk.device)
    for step in (1, 2):
        svc.act("provisioned")
        assert svc.module("unprovisioned", {"DOCKYARD_FAULT_AT": str(step)}, confirm=[svc.path]).wait() == -9
        outcome = svc.act("unprovisioned")
        assert not outcome["failed"] and outcome["changed"], outcome["msg"]
    assert svc.act("provisioned")["changed"]


def test_a_file_system_of_somebody_else_is_not_destroyed(disk: Disk) -> None:
    """Its UUID is not the one that provisioning gives."""
    svc = one(disk.device)
    assert not svc.act("provisioned")["changed"]
    outcome = svc.act("unprovisioned")
    assert outcome["failed"] and "was not made by provisioning" in outcome["msg"]
    assert svc.start()["status"]["avail"] == "up"


def test_a_shared_ext4_is_made_with_its_guard() -> None:
    """Whatever features the options ask for."""
    disk = Disk("disk")
    svc = one(disk.device, shared=True, mkfs_opt="-O ^has_journal -E mmp_update_interval=1")
    assert not svc.act("provisioned")["failed"]
    features = run("dumpe2fs", "-h", disk.device).stdout
    assert "mmp" in features and "has_journal" not in features
    assert svc.start()["status"]["overall"] == "up"
