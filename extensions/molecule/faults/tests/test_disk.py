# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to loop devices and their files, and what must come of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import loops
from ansible_collections.dockyard.svc.tests.disks import (
    SIZE,
    MakeLoop,
    attached,
    file,
    folder,
    make_loop,
    nobody_can_tell,
    replaced,
)
from ansible_collections.dockyard.svc.tests.support import run

RID = "disk#0"
__all__ = ["file", "folder", "make_loop"]


def test_two_devices_on_one_file(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """Each has a cache of its own: neither is used, neither is guessed at."""
    run("losetup", "--find", file)
    run("losetup", "--find", file)
    service = make_loop(file)
    assert service.state(RID) == "warn"
    assert "several loop devices" in service.remarks(RID)
    outcome = service.act("started")
    assert outcome["failed"]
    assert not outcome["commands"]
    service.stop()
    assert attached(folder) == []


def test_read_only_and_partial_devices_are_not_up(make_loop: MakeLoop, file: str) -> None:
    """A device that shows something else than the whole file to write to is no success."""
    service = make_loop(file)
    for option, text in (("--read-only", "read only"), ("--offset=1048576", "a part of")):
        run("losetup", "--find", option, file)
        assert service.state(RID) == "warn"
        assert text in service.remarks(RID)
        assert service.act("started")["failed"]
        service.stop()


def test_file_cut_while_attached(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """The device keeps its size and reads zeros where the data was. A file that has grown is no fault."""
    service = make_loop(file)
    service.start()
    os.truncate(file, SIZE * 2)
    assert service.state(RID) == "up"
    os.truncate(file, SIZE // 2)
    assert service.state(RID) == "warn"
    assert "was cut to %d of %d bytes" % (SIZE // 2, SIZE) in service.remarks(RID)
    outcome = service.act("started")
    assert outcome["failed"]
    assert not outcome["commands"]
    service.stop()
    assert attached(folder) == []


def test_file_replaced_while_attached(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """The device still has the old file: that is said, not taken for up, and a stop lets it go."""
    service = make_loop(file)
    service.start()
    Path(file).rename(folder / "old.img")
    Path(file).write_bytes(bytes(SIZE))
    os.unlink(folder / "old.img")
    os.chmod(file, 0o600)
    # the kernel names the file by the path that it has now
    assert "old.img" in Path("/sys/block/%s/loop/backing_file" % attached(folder)[0][5:]).read_text(encoding="utf-8")
    assert service.state(RID) == "warn"
    assert "before it was replaced" in service.remarks(RID)
    outcome = service.act("started")
    assert outcome["failed"]
    assert "before it was replaced" in outcome["msg"]
    service.stop()
    assert attached(folder) == []
    service.start()
    assert len(attached(folder)) == 1


def test_file_removed_while_attached(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """Nothing at the path is not the same as nothing attached."""
    service = make_loop(file)
    service.start()
    os.unlink(file)
    assert service.state(RID) == "warn"
    service.stop()
    assert attached(folder) == []
    assert service.state(RID) == "down"
    assert "there is no file" in service.remarks(RID)


def test_file_of_another_service(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """Teams may name one file in definitions of their own: it is the service's that has attached it."""
    first, second = make_loop(file), make_loop(file)
    first.start()
    (device,) = attached(folder)
    for state in ("started", "stopped"):
        outcome = second.act(state)
        assert outcome["failed"]
        assert "was attached to %s by the service %s of this node" % (device, first.path) in outcome["msg"]
        assert attached(folder) == [device]
    first.stop()
    second.start()
    second.stop()


def test_two_services_that_attach_one_file_at_once(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """One of them gets it; the other one is told so, and has nothing to detach."""
    services = [make_loop(file), make_loop(file)]
    with replaced("losetup", 'case "$*" in *--show*) sleep 1;; esac; exec $REAL "$@"'):
        running = [service.module("started") for service in services]
        failed = [module.outcome()["failed"] for module in running]
    assert sorted(failed) == [False, True]
    winner, loser = services if failed[1] else reversed(services)
    assert loser.act("stopped")["failed"]
    assert len(attached(folder)) == 1
    winner.stop()
    assert attached(folder) == []


def test_stop_of_a_mounted_device(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """It is not detached, losetup is not even asked, and the mount is named."""
    service = make_loop(file)
    service.start()
    (device,) = attached(folder)
    run("mkfs.ext4", "-q", "-F", device)
    (folder / "mnt").mkdir()
    run("mount", device, str(folder / "mnt"))
    try:
        outcome = service.act("stopped")
    finally:
        run("umount", str(folder / "mnt"))
    assert outcome["failed"]
    assert "mounted on %s/mnt" % folder in outcome["msg"]
    assert not outcome["commands"]
    assert service.state(RID) == "up"
    service.stop()
    assert attached(folder) == []


def test_stop_while_a_process_has_it_open(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """losetup ends well then, and leaves the device in use: that is no success, and who holds it is said."""
    service = make_loop(file)
    service.start()
    (device,) = attached(folder)
    holder = subprocess.Popen(["sleep", "600"], stdin=open(device, "rb"))  # noqa: SIM115
    try:
        outcome = service.act("stopped")
        assert outcome["failed"]
        assert "pid %d" % holder.pid in outcome["msg"]
        assert attached(folder) == [device]
        assert service.state(RID) != "down"
        assert "goes away as soon as nobody uses it" in service.remarks(RID)
    finally:
        holder.kill()
        holder.wait()
    service.stop()
    assert attached(folder) == []


def test_a_device_that_goes_away_during_the_stop(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """It was detached in use, and its user, as a mount is one, leaves it now: there is nothing to detach any more."""
    service = make_loop(file)
    service.start()
    (device,) = attached(folder)
    user = os.open(device, os.O_RDONLY | os.O_EXCL)
    run("losetup", "--detach", device)
    assert "goes away as soon as nobody uses it" in service.remarks(RID)
    later = threading.Timer(1, os.close, [user])
    later.start()
    outcome = service.act("stopped")
    later.join()
    assert not outcome["failed"], outcome["msg"]
    assert not outcome["commands"]
    assert attached(folder) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("rm {file}", "there is no file"),
        ("mv {file} {file}.real; ln -s {file}.real {file}", "is a symbolic link"),
        ("chown 1000 {file}", "belongs to user 1000"),
        ("chmod 666 {file}", "may be written by others"),
        ("rm {file}; mkdir {file}", "is not a regular file"),
        ("rm {file}; mkfifo {file}", "is not a regular file"),
        ("truncate -s 0 {file}", "is empty"),
        ("chmod 777 {folder}", "may be written by others"),
        ("chown 1000 {folder}", "belongs to user 1000"),
        ("mv {folder} {folder}.real; ln -s {folder}.real {folder}", "is a symbolic link"),
    ],
)
def test_what_is_refused(make_loop: MakeLoop, file: str, folder: Path, spoil: str, message: str) -> None:
    """A file that somebody else could exchange or write is no disk of root's."""
    run("sh", "-c", spoil.format(file=shlex.quote(file), folder=shlex.quote(str(folder))))
    outcome = make_loop(file).act("started")
    assert outcome["failed"]
    assert message in outcome["msg"]
    assert not outcome["commands"]


@pytest.mark.parametrize("script", ["exit 1", "echo rubbish", "exit 0", "echo '{\"loopdevices\": []}'", "sleep 60"])
def test_losetup_that_cannot_tell(make_loop: MakeLoop, file: str, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """What it does not tell is neither up nor down: no start, and a stop fails."""
    service = make_loop(file)
    service.start()
    with replaced("losetup", script), monkeypatch.context() as hasty:
        hasty.setattr(loops, "_DEADLINE", 0.5)
        loops._known.clear()  # as in a new process
        nobody_can_tell(service)
    assert service.state(RID) == "up"


def test_failed_start_takes_back_what_it_did(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """The second device cannot be attached: the first goes again, unless it was there before."""
    second = folder / "second.img"
    second.write_bytes(bytes(SIZE))
    second.chmod(0o600)
    service = make_loop(file, second)
    failing = 'case "$*" in *--show*second.img) echo losetup: no memory >&2; exit 1;; esac; exec $REAL "$@"'
    with replaced("losetup", failing):
        outcome = service.act("started")
        assert outcome["failed"]
        assert "no memory" in outcome["msg"]
        assert attached(folder) == []
        run("losetup", "--find", file)
        assert service.act("started")["failed"]
        assert len(attached(folder)) == 1


def test_losetup_that_lies(make_loop: MakeLoop, file: str) -> None:
    """Its good end is not believed."""
    service = make_loop(file)
    with replaced("losetup", 'case "$*" in *--show*) exit 0;; esac; exec $REAL "$@"'):
        outcome = service.act("started")
    assert outcome["failed"]
    assert "has no loop device" in outcome["msg"]


def test_unprovision_leaves_a_file_that_took_the_place(make_loop: MakeLoop, folder: Path) -> None:
    """The record names an inode, not a path."""
    path = folder / "new.img"
    service = make_loop(path, size="16m")
    service.act("provisioned")
    path.rename(folder / "kept.img")
    path.write_bytes(b"precious")
    path.chmod(0o600)
    assert service.act("unprovisioned")["failed"]
    assert path.read_bytes() == b"precious"


def test_unprovision_of_what_was_only_begun(make_loop: MakeLoop, folder: Path) -> None:
    """The file is there and empty: it is removed, and no loop device is asked for."""
    path = folder / "new.img"
    service = make_loop(path, size="16m")
    assert service.module("provisioned", {"DOCKYARD_FAULT_AT": "2"}).wait() != 0
    assert path.stat().st_size == 0
    outcome = service.act("unprovisioned")
    assert not outcome["failed"], outcome["msg"]
    assert not path.exists()
