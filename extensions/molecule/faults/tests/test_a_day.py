# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a day brings to whole services: full and read-only disks, missing programs, definitions that change."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import loops
from ansible_collections.dockyard.svc.tests.support import Module, loops_of, places_of, run, wait_for
from ansible_collections.dockyard.svc.tests.whole import Whole, fails, make_whole, template, whole
from ansible_collections.dockyard.svc.tests.wire import ip, wire

__all__ = ["make_whole", "template", "whole", "wire"]
Make = Callable[..., Whole]


@contextmanager
def full(folder: str) -> Iterator[None]:
    """A folder lies on a disk of its own that has no room left, with what is in it."""
    run("mkdir", "-p", "/run/copy")
    run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0755", "full", "/run/copy")
    run("cp", "--archive", folder + "/.", "/run/copy")
    run("mount", "--move", "/run/copy", folder)
    run("dd", "if=/dev/zero", "of=%s/fill" % folder, "bs=512", check=False)
    try:
        yield
    finally:
        run("umount", folder)


@contextmanager
def read_only(folder: str) -> Iterator[None]:
    """A folder lies on a disk that became read-only."""
    run("mount", "--bind", folder, folder)
    run("mount", "-o", "remount,bind,ro", folder)
    try:
        yield
    finally:
        run("umount", folder)


@contextmanager
def missing(program: str) -> Iterator[None]:
    """A program cannot be run."""
    paths = {os.path.realpath(path) for path in run("which", "-a", program).stdout.split()}
    run("mkdir", "-p", "/run/own")
    run("cp", "/bin/mount", "/bin/umount", "/run/own")
    for path in paths:
        run("/run/own/mount", "--bind", "/dev/null", path)
    try:
        yield
    finally:
        for path in paths:
            run("/run/own/umount", path)


# The node's own disks


@pytest.mark.parametrize("spoil", [full, read_only])
def test_a_stop_without_room_for_its_books(whole: Whole, spoil: Callable[[str], Any]) -> None:
    """Neither state nor log can be written: the service is stopped all the same, and nothing is left of it."""
    whole.start()
    with spoil("/var/lib/dockyard"), spoil("/var/log/dockyard"):
        whole.truthful()
        outcome = whole.stop()
        assert whole.remains() == [] and len(outcome["evidence"]) == 8
        assert whole.truthful()["overall"] == "down"
    assert whole.truthful()["overall"] == "down"
    assert whole.start()["status"]["overall"] == "up"


@pytest.mark.parametrize("spoil", [full, read_only])
@pytest.mark.parametrize("first", [True, False], ids=["first start", "later start"])
def test_a_start_without_room_for_its_books(whole: Whole, first: bool, spoil: Callable[[str], Any]) -> None:
    """What cannot be remembered is not begun: the start fails with a reason, and nothing stays."""
    if not first:
        whole.start(rid="ip,disk")
        whole.stop()
    os.makedirs("/var/lib/dockyard", exist_ok=True)
    with spoil("/var/lib/dockyard"):
        fails(whole, "started", "No space left" if spoil is full else "Read-only file system", "/var/lib/dockyard")
        assert whole.remains() == []
    assert not whole.act("started", rid="ip,disk")["failed"]


@pytest.mark.parametrize("spoil", [full, read_only])
def test_a_start_without_room_for_its_log(whole: Whole, spoil: Callable[[str], Any]) -> None:
    """A log that cannot be written keeps no service down; the daemon's own log is another matter."""
    whole.start(rid="ip,disk")
    with spoil("/var/log/dockyard"):
        assert not whole.act("started", rid="fs")["failed"]
        whole.truthful()
        outcome = whole.act("started")
        assert not outcome["failed"] or "dockerd.log: Read-only" in outcome["msg"], outcome["msg"]
        assert spoil is full or any("the log has a gap" in line["text"] for line in outcome["log"])
        whole.truthful()
        whole.stop()
    assert whole.remains() == []


# Programs


@pytest.mark.parametrize("program", ["losetup", "e2fsck", "ip", "mount", "umount", "docker", "dockerd"])
def test_a_program_that_cannot_be_run(whole: Whole, program: str) -> None:
    """A start is refused with its name before anything is changed; what cannot be told is not told."""
    with missing(program):
        outcome = whole.act("started")
        assert outcome["failed"] and program in outcome["msg"] and "\n" not in outcome["msg"], outcome["msg"]
        assert outcome["commands"] == [], outcome["commands"]
        states = {rid: resource["state"] for rid, resource in outcome["status"]["resources"].items()}
        assert (states["ip#1"] == "undef") == (program == "ip"), states
    assert whole.remains() == []
    assert whole.truthful()["overall"] == "down"


def test_a_stop_without_programs(whole: Whole) -> None:
    """It goes as far as it can, says what is missing, and takes nothing away below that; the next one goes on from there."""
    whole.start()
    before = whole.there()
    stays = [["docker", *before], ["umount", "fs#1", "fs#2", "disk#1", "disk#2", "ip#1"]]
    stays += [["losetup", *stays[1][1:]], ["ip", "ip#1"]]
    for program, *rids in stays:
        loops._known.clear()  # as in a new process
        with missing(program):
            outcome = whole.act("stopped")
            assert outcome["failed"] and program in outcome["msg"] and "\n" not in outcome["msg"], outcome["msg"]
            states = {rid: resource["state"] for rid, resource in outcome["status"]["resources"].items()}
            unknown = {"losetup": ["disk#1", "disk#2"], "ip": ["ip#1"]}.get(program, [])
            assert [rid for rid in unknown if states[rid] != "undef"] == [], states
        there = whole.there()
        assert [rid for rid in there if there[rid]] == [rid for rid in before if rid in rids], (program, there)
    whole.stop()
    assert whole.remains() == []


# Devices, interfaces, folders


def test_a_disk_that_is_detached_while_it_is_in_use(whole: Whole) -> None:
    """It goes with its last user; the status says so, and a stop finds nothing left to do there."""
    whole.start()
    run("losetup", "--detach", loops_of(whole.files[1])[0])
    assert "goes away as soon as nobody uses it" in whole.remarks("disk#2") and whole.status()["overall"] == "warn"
    whole.stop()
    assert whole.remains() == []
    whole.start()


def test_an_interface_that_is_renamed(whole: Whole) -> None:
    """The address is told where it is; nothing is added a second time, and a stop does not claim that it is gone."""
    whole.start()
    ip("link", "set", "v0", "down")
    ip("link", "set", "v0", "name", "w0")
    ip("link", "set", "w0", "up")
    try:
        assert whole.status()["resources"]["ip#1"]["state"] != "up"
        assert "w0" in whole.remarks("ip#1"), whole.remarks("ip#1")
        outcome = whole.act("started")
        assert outcome["failed"] and "v0" in outcome["msg"], outcome["msg"]
        outcome = whole.act("stopped")
        assert (not outcome["failed"]) == (places_of(whole.address) == []), outcome["msg"]
        assert not outcome["failed"] or "w0" in outcome["msg"], outcome["msg"]
        assert not whole.there()["disk#1"] and not whole.there()["daemon"]
    finally:
        ip("link", "set", "w0", "down")
        ip("link", "set", "w0", "name", "v0")
        ip("link", "set", "v0", "up")
    wait_for(lambda: "LOWER_UP" in ip("link", "show", "dev", "v0"))
    whole.stop()
    assert whole.remains() == []


def test_mount_points_that_are_removed(whole: Whole) -> None:
    """A start makes them again."""
    whole.start(rid="disk,fs")
    whole.stop()
    os.rmdir(whole.outer)
    assert whole.truthful()["overall"] == "down"
    assert not whole.act("started", rid="disk,fs")["failed"]
    whole.stop()


# Definitions that change between start and stop


def test_another_address(whole: Whole) -> None:
    """A stop takes away the address that the start has added."""
    whole.start()
    other = whole.with_keywords("ip#1", ipname="10.9.0.222")
    assert other.status()["resources"]["ip#1"]["state"] != "up"
    other.stop()
    assert whole.remains() == [] and other.remains() == []


def test_another_mount_point(whole: Whole) -> None:
    """The device is not free: a stop says where it is mounted, and does not detach it."""
    whole.start(rid="disk,fs")
    other = whole.changed(**{"fs#2": {**whole.sections()["fs#2"], "mnt": whole.folder + "/other"}})
    outcome = other.act("stopped")
    assert outcome["failed"] and "mounted on " + whole.inner in outcome["msg"], outcome["msg"]
    assert whole.there()["disk#2"] and whole.there()["fs#2"]
    whole.stop()
    assert whole.remains() == []


def test_resources_that_are_removed_from_the_definition(whole: Whole) -> None:
    """They are never claimed to be released: the stop fails where they hold something, and names them otherwise."""
    whole.start()
    fails(whole.changed(**{"container#1": None}), "stopped", whole.name(1), "does not declare")
    assert whole.there()["container#1"] and whole.there()["fs#2"]
    fails(whole.changed(**{"fs#2": None}), "stopped", "fs#1: ", "mounted in it", whole.inner)
    assert whole.there()["fs#2"] and whole.there()["disk#2"] and whole.there()["ip#1"]
    fs = {**whole.sections()["fs#2"], "dev": loops_of(whole.files[1])[0]}
    outcome = whole.changed(**{"disk#2": None, "ip#1": None, "fs#2": fs}).stop()
    named = [line["rid"] for line in outcome["log"] if "an earlier definition has started it" in line["text"]]
    assert named == ["disk#2", "ip#1"] and whole.there()["disk#2"] and whole.there()["ip#1"]
    whole.stop()
    assert whole.remains() == []


# Many, and neighbours


def test_ten_whole_services_at_once(make_whole: Make) -> None:
    """One call starts them, another one stops them; each is true, and nothing of one is in another."""
    services = [make_whole() for _count in range(10)]
    raw = {service.path: service.raw for service in services}
    for state, overall in (("started", "up"), ("stopped", "down")):
        result = Module("service", {"services": raw, "node": "node1", "state": state}).result()
        assert not result.get("failed"), result["msg"]
        assert {item["status"]["overall"] for item in result["services"].values()} == {overall}
        for service in services:
            assert service.truthful()["overall"] == overall
    assert [item for service in services for item in service.remains()] == []


def test_two_services_on_one_disk_by_two_names(make_whole: Make) -> None:
    """A hard link is the same disk: the second service does not mount it, and its stop leaves the first one alone."""
    first, second = make_whole(), make_whole()
    for name in ("outer.img", "inner.img"):
        os.unlink("%s/%s" % (second.folder, name))
        os.link("%s/%s" % (first.folder, name), "%s/%s" % (second.folder, name))
    first.start()
    pid = first.container_pid(0)
    outcome = second.act("started")
    assert outcome["failed"] and "in use: mounted on " + first.outer in outcome["msg"], outcome["msg"]
    assert places_of(second.address) == [] and not second.daemon_pid()
    outcome = second.act("stopped")
    assert outcome["failed"] and "in use: mounted on " + first.outer in outcome["msg"], outcome["msg"]
    assert first.truthful()["overall"] == "up" and first.container_pid(0) == pid
    first.stop()
    assert not second.act("started", rid="disk,fs")["failed"]
    second.stop()


@pytest.fixture
def crowded() -> Iterator[Path]:
    """A control group that has room for one process of one thread: so is a node, or a login, at its limit."""
    root = Path("/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup")
    group = root / "crowded"
    group.mkdir()
    (group / "pids.max").write_text("1", encoding="ascii")
    yield group
    group.rmdir()


def test_no_room_for_another_process(whole: Whole, crowded: Path) -> None:
    """What could not be asked is not called down; an action says why it can do nothing, and does nothing."""
    enter = ("sh", "-c", 'echo $$ >%s/cgroup.procs; exec "$0" "$@"' % crowded)
    options = {"services": {whole.path: whole.raw}, "node": "node1"}
    for state, now in (("started", "down"), ("stopped", "up")):
        status = Module("service_info", options, prefix=enter).outcome()
        states = {rid: resource["state"] for rid, resource in status["resources"].items()}
        assert states["ip#1"] == "undef" and states["container#0"] == now, status
        # Without a process, a disk can be told to be down only on a machine that has no loop device at all.
        assert {states["disk#1"], states["fs#1"]} <= ({"undef"} if now == "up" else {"undef", now}), status
        outcome = Module("service", {**options, "state": state}, prefix=enter).outcome()
        assert outcome["failed"] and not outcome["changed"], outcome
        assert "Resource temporarily unavailable" in outcome["msg"] and "\n" not in outcome["msg"], outcome["msg"]
        assert whole.truthful()["overall"] == now
        whole.act(state)
