# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with file systems in the field, provoked on real loop devices, and what is right then."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.dockyard.svc.tests import fuse
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.filesystems import (
    MNT,
    RID,
    ROOT,
    Disk,
    apart,
    attach,
    claiming,
    commands,
    disk,
    fails,
    mounted,
    one,
    points_of,
    process,
    root,
    service,
    working_in,
)
from ansible_collections.dockyard.svc.tests.support import PATIENCE, Service, alive, container, kill, run, wait_for

__all__ = ["disk", "root"]
pytestmark = pytest.mark.usefixtures("root")


def is_free(device: str) -> bool:
    """Whether nobody uses a device."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_EXCL))
    except OSError:
        return False
    return True


# A daemon on the file system


@pytest.fixture
def hosting(disk: Disk) -> Iterator[Service]:
    """A service whose private daemon has its data on the file system, with one container that writes to it."""
    os.unlink(disk.file)
    big = Disk("big", "ext4", size=400)
    writes = "trap 'exit 0' TERM; while :; do echo x >>/data/file; sleep 0.1; done"
    svc = service(
        container(command=["sh", "-c", writes], volume_mounts=MNT + "/volume:/data"),
        docker_data_dir=MNT + "/docker",
        **{RID: {"type": "ext4", "dev": big.device, "mnt": MNT}},
    )
    yield svc
    svc.wipe()


def test_f02_what_outlives_the_daemon_is_ended_before_the_release(hosting: Service) -> None:
    """The containers of a killed daemon hold the device by mounts that nobody here can see."""
    os.makedirs(MNT)
    hosting.start(rid=RID)
    os.makedirs(MNT + "/volume")
    hosting.start()
    planned = hosting.act("stopped", check_mode=True)
    assert not planned["failed"] and commands(planned)[-1] == "umount " + MNT, planned
    pid = hosting.container_pid()
    hosting.kill_daemon()
    assert alive(pid)
    outcome = hosting.stop()
    assert not alive(pid)
    assert points_of(MNT) == [] and is_free(hosting.raw[RID]["dev"])
    assert "exclusive open" in outcome["evidence"][RID]["device"]
    assert hosting.start()["status"]["avail"] == "up"


def test_f02_a_stop_fails_while_a_stranger_holds_the_device(hosting: Service) -> None:
    """Every umount succeeds, and the device is not free: the stop says who holds it, the next stop says it again."""
    hosting.start(rid=RID)
    os.makedirs(MNT + "/volume")
    hosting.start()
    hurried = Service(hosting.path, **{**hosting.raw, RID: {**hosting.raw[RID], "umount_timeout": "300ms"}})
    with apart() as pid:
        hosting.kill_daemon()
        fails(hurried, "stopped", "still in use", "mount namespace of pid %d" % pid)
        assert points_of(MNT) == [] and not is_free(hosting.raw[RID]["dev"])
        fails(hurried, "stopped", "still in use", "mount namespace of pid %d" % pid)
        assert alive(pid)
    hosting.stop()


def test_f03_the_mount_that_a_killed_daemon_leaves(hosting: Service) -> None:
    """After a crash the data root stays mounted on itself, and layers of containers in it."""
    hosting.start(rid=RID)
    os.makedirs(MNT + "/volume")
    hosting.start()
    hosting.kill_daemon()
    hosting.start()
    planned = commands(hosting.act("stopped", check_mode=True))
    assert planned == commands(hosting.stop()) and planned[-1] == "umount " + MNT
    assert points_of(ROOT) == [] and is_free(hosting.raw[RID]["dev"])
    hosting.start()
    kill(hosting.container_pid(), hosting.daemon_pid(), *hosting.helpers())
    wait_for(lambda: hosting.state() == "down")
    assert MNT + "/docker" in points_of(MNT)
    outcome = hosting.stop()
    assert "umount %s/docker" % MNT in commands(outcome) and commands(outcome)[-1] == "umount " + MNT
    assert points_of(ROOT) == [] and is_free(hosting.raw[RID]["dev"])


# Release


def test_f76_a_mount_in_another_namespace(disk: Disk) -> None:
    """The umount succeeds here, and the file system lives on elsewhere."""
    svc = one(disk.device, umount_timeout="100ms")
    svc.start()
    with apart() as pid:
        for _attempt in range(2):
            fails(svc, "stopped", "still in use: mounted on %s in the mount namespace of pid %d" % (MNT, pid))
        assert svc.state(RID) == "down"
        assert "mounted on %s, in the mount namespace of pid %d" % (MNT, pid) in svc.remarks(RID)
        fails(svc, "started", "in use: mounted on %s in the mount namespace of pid %d" % (MNT, pid))
    assert "exclusive open" in svc.stop()["evidence"][RID]["device"]


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_f76_without_a_device(kind: str) -> None:
    """What has no device is released when no namespace has it."""
    os.makedirs(ROOT + "/data")
    svc = one({"tmpfs": None, "bind": ROOT + "/data"}[kind], kind, umount_timeout="100ms")
    svc.start()
    with apart() as pid:
        fails(svc, "stopped", "still mounted on %s, in the mount namespace of pid %d" % (MNT, pid))
    svc.stop()


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_f76_a_mount_namespace_that_goes_away(disk: Disk, kind: str) -> None:
    """As that of a container of another service which is being made: a stop waits for it."""
    svc = one(disk.device if kind == "ext4" else None, kind)
    svc.start()
    with apart() as pid, ThreadPoolExecutor() as pool:
        stop = pool.submit(svc.stop)
        wait_for(lambda: points_of(MNT) == [])
        time.sleep(3.5)
        assert not stop.done()
        kill(pid)
        assert stop.result()["evidence"][RID]["mounts"]


def test_f81_f97_nobody_is_killed(disk: Disk) -> None:
    """Who works in it or has a file open is named; the stop waits, gives up, and kills nobody."""
    svc = one(disk.device, umount_timeout="300ms")
    svc.start()
    Path(MNT, "file").touch()
    opens = process("import sys\nstream = open(sys.argv[1])", MNT + "/file")
    with working_in(MNT) as one_pid, opens as other_pid:
        begun = time.monotonic()
        fails(svc, "stopped", "pid %d (" % one_pid, "works in " + MNT, "pid %d (" % other_pid, "has %s/file open" % MNT)
        assert time.monotonic() - begun < PATIENCE
        assert alive(one_pid) and alive(other_pid) and points_of(MNT) == [MNT]
    svc.stop()


def test_f97_a_stop_waits_for_those_who_leave(disk: Disk) -> None:
    """A process that ends within the patience is no failure."""
    svc = one(disk.device)
    svc.start()
    run("sh", "-c", "cd %s && exec setsid sleep 1 >/dev/null 2>&1 &" % MNT)
    assert svc.stop()["changed"]


def test_a_loop_device_on_a_file_in_it(disk: Disk) -> None:
    """It is named; it belongs to somebody."""
    svc = one(disk.device, umount_timeout="100ms")
    svc.start()
    run("truncate", "--size", "1M", MNT + "/file")
    device = attach(MNT + "/file")
    fails(svc, "stopped", "the loop device %s stands on the file %s/file" % (device, MNT))
    run("losetup", "--detach", device)
    svc.stop()


def test_a_mount_of_somebody_else_in_it(disk: Disk) -> None:
    """It is named before anything is unmounted; so is a folder of the same file system that somebody has bound there."""
    svc = one(disk.device)
    svc.start()
    os.makedirs(MNT + "/own")
    run("mount", "--bind", MNT + "/own", MNT + "/own")
    for command in (["-t", "tmpfs", "theirs"], ["--bind", MNT + "/own"]):
        os.makedirs(MNT + "/deep", exist_ok=True)
        run("mount", *command, MNT + "/deep")
        outcome = fails(svc, "stopped", "on %s/deep; unmount them first" % MNT)
        assert outcome["commands"] == []
        assert points_of(MNT) == [MNT, MNT + "/deep", MNT + "/own"]
        run("umount", MNT + "/deep")
    svc.stop()
    assert points_of(MNT) == []


@pytest.mark.parametrize("place", [MNT, ROOT])
def test_a_mount_of_somebody_else_on_top(disk: Disk, place: str) -> None:
    """It hides the file system: not up, and not to be unmounted from below."""
    svc = one(disk.device)
    svc.start()
    run("mount", "-t", "tmpfs", "theirs", place)
    assert svc.state(RID) == "warn" and "hidden by theirs (tmpfs) on %s" % place in svc.remarks(RID)
    outcome = fails(svc, "stopped", "theirs (tmpfs)")
    assert outcome["commands"] == []
    fails(svc, "started", "theirs (tmpfs)") if place == MNT else fails(svc, "started")
    run("umount", place)
    assert svc.state(RID) == "up"


def test_a_second_mount_of_the_device_elsewhere(disk: Disk) -> None:
    """The device is not free, and the stop says where it is."""
    svc, hurried = one(disk.device), one(disk.device, umount_timeout="100ms")
    svc.start()
    os.makedirs(ROOT + "/elsewhere")
    run("mount", disk.device, ROOT + "/elsewhere")
    fails(hurried, "stopped", "still in use: mounted on %s/elsewhere" % ROOT)
    assert svc.state(RID) == "down" and "the device is mounted on %s/elsewhere" % ROOT in svc.remarks(RID)
    run("umount", ROOT + "/elsewhere")
    svc.stop()


# Starts that would hide or destroy something


def test_f78_another_device_on_the_mount_point(disk: Disk) -> None:
    """Nothing is stacked, nothing is taken for ours, and nothing of theirs is unmounted."""
    other = Disk("other", "ext4")
    svc = one(disk.device)
    mounted(other.device)
    assert svc.state(RID) == "down"
    assert "%s (ext4) is mounted on %s instead" % (other.device, MNT) in svc.remarks(RID)
    fails(svc, "started", "%s (ext4) is mounted on %s" % (other.device, MNT))
    assert not svc.stop()["changed"]
    assert points_of(MNT) == [MNT]


def test_f78_another_folder_of_the_same_device(disk: Disk) -> None:
    """The number of the device alone is no proof."""
    mounted(disk.device)
    os.makedirs(MNT + "/folder")
    os.makedirs(ROOT + "/bound")
    run("mount", "--bind", MNT + "/folder", ROOT + "/bound")
    svc = service(**{RID: {"type": "ext4", "dev": disk.device, "mnt": ROOT + "/bound"}})
    assert svc.state(RID) == "down"
    fails(svc, "started", "%s (ext4, folder /folder of it) is mounted on %s/bound" % (disk.device, ROOT))


def test_f78_another_device_on_the_mount_point_that_is_hidden(disk: Disk) -> None:
    """It would come to light some day, below or instead of ours."""
    mounted(Disk("other", "ext4").device)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "theirs", ROOT)
    fails(one(disk.device), "started", "hidden by a later mount")


@pytest.mark.parametrize("source", ["nothing", "link", "file"])
def test_a_folder_to_bind_that_is_none(disk: Disk, source: str) -> None:
    """It is refused; in a file system that the same start mounts, as soon as that can be seen."""
    mounted(disk.device)
    for place in (ROOT, MNT):
        Path(place, "file").touch()
        os.symlink("/srv", place + "/link")
    run("umount", MNT)
    fs = {"type": "ext4", "dev": disk.device, "mnt": MNT}
    for place in (ROOT, MNT):
        bind = {"type": "bind", "dev": "%s/%s" % (place, source), "mnt": ROOT + "/bound"}
        outcome = service(**{"fs#1": fs, "fs#2": bind}).act("started")
        assert outcome["failed"] and "there is no folder %s/%s to bind" % (place, source) in outcome["msg"], outcome[
            "msg"
        ]
        assert (outcome["commands"] == []) == (place == ROOT) and points_of(ROOT) == []


def test_f79_a_folder_with_something_in_it(disk: Disk) -> None:
    """What was written there while nothing was mounted would be hidden."""
    os.makedirs(MNT + "/docker/overlay2")
    fails(one(disk.device), "started", "the folder %s is not empty (docker)" % MNT)


def test_f79_a_folder_in_a_file_system_that_the_same_start_mounts(disk: Disk) -> None:
    """It can only be looked into once that is mounted; then the start fails, and takes everything back."""
    mounted(disk.device)
    os.makedirs(MNT + "/inner/precious")
    run("umount", MNT)
    svc = service(
        **{
            "fs#1": {"type": "ext4", "dev": disk.device, "mnt": MNT},
            "fs#2": {"type": "tmpfs", "mnt": MNT + "/inner"},
        }
    )
    outcome = svc.act("started")
    assert outcome["failed"] and "inner is not empty (precious)" in outcome["msg"] and points_of(MNT) == []


def test_a_mount_that_reports_success_and_is_none(disk: Disk) -> None:
    """The table of mounts is the truth: nothing there, or something else there, is no start."""
    other = Disk("other", "ext4")
    for script, found in (
        ("exit 0", "nothing is on"),
        ("exec $REAL %s %s" % (other.device, MNT), other.device + " (ext4) is on"),
    ):
        with replaced("mount", script):
            outcome = one(disk.device).act("started")
        assert outcome["failed"] and "mount reported success, and " + found in outcome["msg"], outcome["msg"]
        run("umount", MNT, check=False)


def test_f83_an_unguarded_ext4_that_other_nodes_see(disk: Disk) -> None:
    """Two nodes, played by two loop devices on one file: without its guard the file system is not used."""
    fails(one(disk.device, shared=True), "started", "tune2fs -O mmp " + disk.device)
    svc = service(nodes="node1 node2", **{RID: {"type": "ext4", "dev": disk.device, "mnt": MNT}})
    fails(svc, "started", "tune2fs -O mmp " + disk.device)
    mounted(disk.device)
    assert svc.state(RID) == "up" and svc.status()["overall"] == "warn"
    assert "tune2fs -O mmp" in svc.remarks(RID)
    assert one(disk.device, shared=False).remarks(RID) == ""


def test_f83_f102_a_guarded_ext4_that_another_node_has_mounted() -> None:
    """Also when the two do not reach each other: the start fails within the time that the guard takes to look."""
    disk = Disk("disk", "ext4", "-O", "mmp")
    os.makedirs(ROOT + "/theirs")
    # the other node sees the device, and this one does not see that
    run("mount", attach(disk.device), ROOT + "/theirs")
    outcome = one(disk.device, shared=True).act("started")
    assert outcome["failed"] and "MMP" in outcome["msg"] and points_of(MNT) == [], outcome["msg"]


def test_f83_a_file_with_two_loop_devices(disk: Disk) -> None:
    """They are one storage, and neither knows of the other: what one has mounted is not even checked by the other."""
    twin = attach(disk.file)
    os.makedirs(ROOT + "/theirs")
    run("mount", twin, ROOT + "/theirs")
    fails(one(disk.device), "started", "other loop devices (%s)" % twin)


@pytest.mark.parametrize(
    ("made", "words"), [("xfs", "holds xfs, and the section says ext4"), ("", "holds no file system")]
)
def test_another_content_than_declared(made: str, words: str) -> None:
    """It is said before anything is changed, and not by e2fsck."""
    disk = Disk("other", made or "ext4")
    if not made:
        run("wipefs", "--all", disk.device)
    fails(one(disk.device), "started", words)


@pytest.mark.parametrize("where", ["here", "another namespace", "another program"])
def test_f84_no_check_of_a_file_system_in_use(disk: Disk, where: str) -> None:
    """e2fsck is not even begun."""
    svc = one(disk.device)
    elsewhere = ROOT + "/elsewhere"
    if where == "another program":
        with claiming(disk.device) as pid:
            fails(svc, "started", "%s is in use: pid %d (" % (disk.device, pid), "has the device %s open" % disk.device)
        return
    os.makedirs(elsewhere)
    run("mount", disk.device, elsewhere)
    if where == "here":
        fails(svc, "started", "in use: mounted on " + elsewhere)
        return
    with apart() as pid:
        run("umount", elsewhere)
        fails(svc, "started", "in use: mounted on %s in the mount namespace of pid %d" % (elsewhere, pid))


def test_f85_a_file_system_that_looks_clean_and_is_not(disk: Disk) -> None:
    """The check replays the journal only; the mount is the real test, and what it says is said."""
    run("debugfs", "-w", "-R", "clri <2>", disk.device)
    outcome = one(disk.device).act("started")
    assert outcome["failed"] and "fs#1: mount ended with 32" in outcome["msg"], outcome["msg"]
    assert "Structure needs cleaning" in outcome["msg"] or "can't read superblock" in outcome["msg"], outcome["msg"]
    assert points_of(MNT) == [] and not os.path.exists(MNT)


def test_f86_what_the_check_corrects_and_what_it_does_not(disk: Disk) -> None:
    """1: it goes on and says so. 4: it fails, and nothing is mounted."""
    run("debugfs", "-w", "-R", "ssv state 2", disk.device)  # has errors: a full check is due
    run("debugfs", "-w", "-R", "ssv free_inodes_count 1", disk.device)
    svc = one(disk.device)
    outcome = svc.start()
    assert any("errors were corrected" in line["text"] for line in outcome["log"]), outcome["log"]
    svc.stop()
    run("debugfs", "-w", "-R", "ssv state 2", disk.device)
    run("debugfs", "-w", "-R", "clri <2>", disk.device)
    outcome = svc.act("started")
    assert outcome["failed"] and "ended with 4 (errors were left uncorrected)" in outcome["msg"], outcome["msg"]
    assert "UNEXPECTED INCONSISTENCY" in outcome["msg"] and points_of(MNT) == []


def test_f87_an_xfs_that_was_not_unmounted() -> None:
    """It is not checked and not repaired: the mount replays its log."""
    disk = Disk("disk", "xfs")
    svc = one(disk.device, "xfs")
    svc.start()
    Path(MNT, "file").write_text("data", encoding="utf-8")
    run("sync")
    Path(MNT, "other").touch()
    run("xfs_io", "-x", "-c", "shutdown -f", MNT)
    assert svc.state(RID) == "warn" and "Input/output error" in svc.remarks(RID)
    outcome = svc.stop()
    assert points_of(MNT) == [] and "exclusive open" in outcome["evidence"][RID]["device"]
    assert commands(svc.start()) == ["mount -t xfs %s %s" % (disk.device, MNT)]
    assert Path(MNT, "file").read_text(encoding="utf-8") == "data" and svc.state(RID) == "up"


def test_f88_a_file_system_that_became_read_only(disk: Disk) -> None:
    """As the kernel makes it after an error of the storage."""
    first = {"type": "tmpfs", "mnt": ROOT + "/first"}
    svc = service(**{"fs#0": first, RID: {"type": "ext4", "dev": disk.device, "mnt": MNT, "mnt_opt": "rw"}})
    svc.start()
    run("umount", ROOT + "/first")
    run("mount", "-o", "remount,ro", MNT)
    assert svc.state(RID) == "warn" and "is read-only" in svc.remarks(RID)
    fails(svc, "started", "fs#1: is read-only", "stop it, then start it")
    svc.stop()
    declared = one(disk.device, mnt_opt="ro")
    declared.start()
    assert declared.state(RID) == "up"
    run("mount", "-o", "remount,rw", MNT)
    assert declared.state(RID) == "warn" and "can be written" in declared.remarks(RID)


def test_a_mount_without_the_options_that_keep_something_out(disk: Disk) -> None:
    """nosuid, nodev and noexec are told when they are missing."""
    svc = one(disk.device, mnt_opt="nosuid,nodev,noatime")
    mounted(disk.device, "-o", "nosuid")
    assert svc.state(RID) == "warn" and "without nodev" in svc.remarks(RID)


@pytest.mark.parametrize("keyword", ["user", "group"])
def test_an_owner_that_this_node_does_not_know(disk: Disk, keyword: str) -> None:
    """Refused before the mount; told of one that is mounted already."""
    svc = one(disk.device, **{keyword: "nosuch"})
    fails(svc, "started", "there is no %s nosuch on this node" % keyword)
    mounted(disk.device)
    assert svc.state(RID) == "warn" and "nosuch" in svc.remarks(RID)
    svc.stop()


def test_f89_a_link_on_the_way_to_the_mount_point(disk: Disk) -> None:
    """Nothing is mounted, made or changed where the link leads."""
    os.makedirs(ROOT + "/target")
    os.symlink(ROOT + "/target", ROOT + "/link")
    for mnt in (ROOT + "/link", ROOT + "/link/below"):
        svc = service(**{RID: {"type": "ext4", "dev": disk.device, "mnt": mnt, "perm": "0700"}})
        fails(svc, "started", "%s/link is a symbolic link" % ROOT)
    assert os.listdir(ROOT + "/target") == []


def test_f89_a_folder_of_somebody_else_on_the_way(disk: Disk) -> None:
    """Its owner could put a link in the place of the mount point."""
    os.makedirs(ROOT + "/theirs/mnt")
    os.chown(ROOT + "/theirs", 1, 1)
    svc = service(**{RID: {"type": "ext4", "dev": disk.device, "mnt": ROOT + "/theirs/mnt"}})
    fails(svc, "started", "theirs belongs to user 1")


@pytest.mark.parametrize("line", ["{device} /elsewhere", "LABEL=fslabel /elsewhere", "/dev/nosuch {mnt}"])
def test_f92_a_line_in_fstab(line: str) -> None:
    """A boot would mount it on any node; with noauto it does not."""
    disk = Disk("disk", "ext4", "-L", "fslabel")
    svc = one(disk.device)
    text = line.format(device=disk.device, mnt=MNT)
    fstab = Path("/etc/fstab")
    before = fstab.read_text(encoding="utf-8") if fstab.exists() else ""
    try:
        for fields in (" ext4 defaults 0 2", " ext4", ""):
            fstab.write_text("# comment\n\n%s%s\n" % (text, fields), encoding="utf-8")
            fails(svc, "started", "/etc/fstab mounts %s on %s at boot" % tuple(text.split()))
        fstab.write_text("%s ext4 rw,noauto 0 0\n#%s ext4 rw 0 0\n" % (text, text), encoding="utf-8")
        svc.start()
    finally:
        fstab.write_text(before, encoding="utf-8")


def test_f92_a_unit_of_systemd(disk: Disk) -> None:
    """It mounts and unmounts behind the back of the service."""
    unit = Path("/etc/systemd/system", MNT.strip("/").replace("-", "\\x2d").replace("/", "-") + ".mount")
    os.makedirs("/run/systemd/system")
    unit.parent.mkdir(parents=True, exist_ok=True)
    try:
        unit.touch()
        fails(one(disk.device), "started", "%s mounts %s" % (unit, MNT))
    finally:
        unit.unlink()
        os.rmdir("/run/systemd/system")


# Storage that hangs


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="this kernel has no FUSE")
def test_f96_a_file_system_that_does_not_answer() -> None:
    """The status says so in time, and neither start nor stop touches it."""
    os.makedirs(ROOT + "/hung")
    with fuse.serving(ROOT + "/hung") as server:
        svc = one(ROOT + "/hung", "bind")
        svc.start()
        hasty = one(ROOT + "/hung", "bind", stat_timeout="500ms")
        os.kill(server, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            assert hasty.state(RID) == "undef" and "does not answer within 0.5 s" in hasty.remarks(RID)
            fails(hasty, "started", "does not answer")
            assert fails(hasty, "stopped", "does not answer")["commands"] == []
            assert time.monotonic() - begun < PATIENCE
        finally:
            os.kill(server, signal.SIGCONT)
        wait_for(lambda: svc.state(RID) == "up")
        svc.stop()


def test_a_file_system_of_another_service(disk: Disk) -> None:
    """Teams that know nothing of each other's definitions may name one: it is the service's that has mounted it."""
    first = one(disk.device)
    second = Service("test/other", docker_data_dir=None, **{"container#0": None, RID: first.raw[RID]})
    first.start()
    for state in ("started", "stopped"):
        outcome = second.act(state)
        assert outcome["failed"] and "was mounted by the service %s" % first.path in outcome["msg"], outcome["msg"]
        assert points_of(MNT) == [MNT]
    first.stop()
    second.start()
    second.stop()


def test_what_a_service_had_before_a_crash_is_another_services_now(disk: Disk) -> None:
    """Both records name the mount: it is the service's that mounted it last. Nothing of it is unmounted or destroyed."""
    first = one(disk.device)
    second = Service("test/other", docker_data_dir=None, **{"container#0": None, RID: first.raw[RID]})
    first.start()
    run("umount", MNT)
    second.start()
    for state in ("stopped", "unprovisioned"):
        outcome = first.act(state)
        assert outcome["failed"] and "was mounted by the service test/other" in outcome["msg"], outcome["msg"]
        assert points_of(MNT) == [MNT]
    second.stop()
    first.stop()


def test_a_failed_start_claims_nothing(disk: Disk) -> None:
    """What another service mounts after it is not the failed one's."""
    bad = {"type": "tmpfs", "mnt": ROOT + "/tmpfs", "mnt_opt": "nonsense=1"}
    first = Service(
        "test/first", docker_data_dir=None, **{"container#0": None, RID: one(disk.device).raw[RID], "fs#9": bad}
    )
    assert first.act("started")["failed"] and points_of(MNT) == []
    second = one(disk.device)
    second.start()
    assert first.act("stopped")["failed"] and points_of(MNT) == [MNT]
    second.stop()


def test_a_loop_file_that_was_replaced_under_its_file_system(disk: Disk) -> None:
    """A backup was restored over it: the device still has the old file, is known as such, and can be released."""
    run("losetup", "--detach", disk.device)
    os.chmod(disk.file, 0o600)
    sections = {"disk#1": {"type": "loop", "file": disk.file}, RID: {"type": "ext4", "dev": disk.file, "mnt": MNT}}
    svc = service(**sections)
    svc.start()
    run("cp", "-p", disk.file, disk.file + ".backup")
    os.rename(disk.file + ".backup", disk.file)
    assert svc.state("disk#1") == "warn" and svc.state(RID) == "up"
    svc.stop()
    assert points_of(MNT) == []
    svc.start()
    svc.stop()


def test_a_lost_record_is_made_anew(disk: Disk) -> None:
    """A start of what is up remembers that it is the service's."""
    first = one(disk.device)
    first.start()
    Path(first.machine.state_folder, "record.json").unlink()
    assert not first.start()["changed"]
    second = Service("test/other", docker_data_dir=None, **{"container#0": None, RID: first.raw[RID]})
    assert second.act("stopped")["failed"] and points_of(MNT) == [MNT]
    first.stop()


def test_two_services_that_mount_at_once(disk: Disk) -> None:
    """The one that comes too late does not unmount what the other has mounted meanwhile."""
    slow = one(disk.device)
    quick = Service("test/quick", docker_data_dir=None, **{"container#0": None, RID: slow.raw[RID]})
    first, go = Path("/run/first"), Path("/run/go")
    waits = "[ -e %s ] || { touch %s; until [ -e %s ]; do sleep 0.1; done; }" % (first, first, go)
    with replaced("mount", 'case "$*" in *ext4*) %s;; esac; exec $REAL "$@"' % waits):
        late = slow.module("started")
        wait_for(first.exists)
        outcome = quick.act("started")
        go.touch()
        assert not outcome["failed"], outcome["msg"]
        assert late.outcome()["failed"]
    first.unlink()
    go.unlink()
    assert points_of(MNT) == [MNT] and quick.state(RID) == "up"
    quick.stop()


def test_a_mount_point_of_an_earlier_definition() -> None:
    """A tmpfs is mounted where it was declared before: that is said, and not forgotten."""
    before = one(None, "tmpfs")
    changed = one(None, "tmpfs", mnt=MNT + "-new")
    before.start()
    assert "mounted on %s" % MNT in changed.remarks(RID)
    for state in ("started", "stopped"):
        outcome = changed.act(state)
        assert outcome["failed"] and "an earlier definition of it is mounted on %s" % MNT in outcome["msg"], outcome
    before.stop()
    changed.start()
    changed.stop()
