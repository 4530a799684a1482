# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of whole services: controllers that meet or die, stops that fail half way, survivors, and what a boot would start."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.filesystems import working_in
from ansible_collections.dockyard.svc.tests.support import alive, kill, loops_of, run, wait_for
from ansible_collections.dockyard.svc.tests.whole import Whole, commands, fails, make_whole, refused, template, whole
from ansible_collections.dockyard.svc.tests.wire import wire

__all__ = ["make_whole", "template", "whole", "wire"]
Make = Callable[..., Whole]


def stopped(whole: Whole) -> dict[str, Any]:
    """A stop goes well, gives evidence of everything, and leaves nothing."""
    outcome = whole.stop()
    assert set(outcome["evidence"]) == {*outcome["status"]["resources"], "docker daemon"}
    assert whole.remains() == [] and whole.truthful()["overall"] == "down"
    return outcome


# Two controllers


def test_f99_three_starts_at_once(whole: Whole) -> None:
    """One of them does the work, the others find it done (F48b)."""
    outcomes = [module.outcome() for module in [whole.module("started") for _count in range(3)]]
    assert [outcome["failed"] for outcome in outcomes] == [False] * 3, outcomes
    assert sum(outcome["changed"] for outcome in outcomes) == 1
    assert all(whole.there().values())
    assert [len(loops_of(file)) for file in whole.files] == [1, 1]
    assert whole.docker("ps", "--all", "--quiet").stdout.count("\n") == 2
    stopped(whole)


def test_f99_start_stop_start_at_once(whole: Whole) -> None:
    """Each ends well, and in the end everything is up or everything is down."""
    whole.start()
    modules = [whole.module(state) for state in ("stopped", "started", "stopped")]
    assert [module.outcome()["failed"] for module in modules] == [False] * 3
    there = whole.there()
    assert len(set(there.values())) == 1, there
    assert whole.truthful()["overall"] == ("up" if there["daemon"] else "down")
    stopped(whole)


def test_f107_every_status_is_read_anew(whole: Whole) -> None:
    """What happened since the last one is told, whoever did it."""
    whole.start()
    assert whole.info()["overall"] == "up"
    kill(whole.container_pid(1))
    run("ip", "address", "delete", whole.address + "/24", "dev", "v0")
    status = whole.info()
    assert status["resources"]["container#1"]["state"] == "down" and status["resources"]["ip#1"]["state"] == "down"
    assert status["overall"] == "warn"
    assert whole.start()["status"]["overall"] == "up"


# A controller that is ended


def moment(whole: Whole, name: str) -> Callable[[], object]:
    """What tells that a start has come to a certain point."""
    return {
        "probe": lambda: os.path.exists(whole.lock),
        "address": lambda: whole.there()["ip#1"],
        "mounted": lambda: whole.there()["fs#2"],
        "daemon": whole.daemon_pid,
    }[name]


@pytest.mark.parametrize("when", ["probe", "mounted"])
def test_f108_a_lost_connection(whole: Whole, when: str) -> None:
    """A start goes on to its end."""
    module = whole.module("started")
    wait_for(moment(whole, when))
    os.kill(module.pid, signal.SIGHUP)
    assert not module.outcome()["failed"]
    assert all(whole.there().values()) and whole.truthful()["overall"] == "up"


def test_f108_a_signal_that_ends_a_start(make_whole: Make) -> None:
    """The status is true, nobody holds the service, and the next action finishes."""

    def end(number: int, when: str, then: str) -> None:
        whole = make_whole()
        module = whole.module("started")
        wait_for(moment(whole, when))
        os.kill(module.pid, number)
        module.wait()
        assert whole.truthful()["action"] == ""
        if then == "started":
            assert whole.start()["status"]["overall"] == "up"
        stopped(whole)

    cases = [
        (signal.SIGTERM, "address", "started"),
        (signal.SIGTERM, "daemon", "stopped"),
        (signal.SIGINT, "mounted", "stopped"),
        (signal.SIGINT, "daemon", "started"),
    ]
    with ThreadPoolExecutor(len(cases)) as pool:
        for future in [pool.submit(end, *case) for case in cases]:
            future.result()


def test_f98_killed_in_the_middle_of_a_mount(whole: Whole) -> None:
    """What the killed one has begun comes to its end beside the next start: nothing is mounted twice, or unmounted."""
    whole.start(rid="disk")
    begun, go = Path("/run/begun"), Path("/run/go")
    waits = "[ ! -e %s ] || touch %s; touch %s; until [ -e %s ]; do sleep 0.1; done" % (begun, go, begun, go)
    with replaced("mount", waits + '; exec $REAL "$@"'):
        module = whole.module("started", rid="fs#1")
        wait_for(begun.exists)
        kill(module.pid)
        module.wait()
        assert whole.truthful()["resources"]["fs#1"]["state"] == "down"
        whole.act("started", rid="fs#1")  # its mount lets the other one go
        go.touch()
        assert whole.truthful()["resources"]["fs#1"]["state"] == "up"
    begun.unlink()
    go.unlink()
    whole.start(rid="fs#1")
    assert Path("/proc/self/mounts").read_text(encoding="utf-8").count(" %s " % whole.outer) == 1
    stopped(whole)


# A stop that fails half way


def test_f100_a_stop_goes_no_further_than_its_first_failure(whole: Whole) -> None:
    """A bystander works in the outer file system: the disks and the address below it stay, nothing is said to be released."""
    whole.start()
    with working_in(whole.outer + "/volume") as pid:
        busy = whole.with_keywords("fs#1", umount_timeout="300ms")
        outcome = fails(busy, "stopped", "fs#1: ", "pid %d (" % pid, "works in %s/volume" % whole.outer)
        there = whole.there()
        assert [rid for rid in there if there[rid]] == ["ip#1", "disk#1", "disk#2", "fs#1"]
        assert not set(outcome["evidence"]) & {"fs#1", "disk#1", "disk#2", "ip#1"}
        assert whole.status()["overall"] == "warn" and outcome["status"]["resources"]["fs#1"]["state"] == "up"
        assert not any("losetup" in line or "ip address" in line for line in commands(outcome))
        fails(busy, "stopped", "pid %d (" % pid)
        assert alive(pid)
    stopped(whole)


def test_f100_the_proof_is_part_of_the_stop(whole: Whole) -> None:
    """A program that reports success without doing anything releases nothing."""
    whole.start()
    with replaced("umount", 'case "$*" in *inner*) exit 0;; esac; exec $REAL "$@"'):
        outcome = fails(whole, "stopped", "fs#2: ", "still mounted")
    there = whole.there()
    assert there["fs#1"] and there["fs#2"] and there["disk#1"] and there["disk#2"] and there["ip#1"]
    assert not any("losetup" in line or "ip address" in line for line in commands(outcome))
    stopped(whole)


def test_f01_f02_survivors_of_a_dead_daemon(whole: Whole) -> None:
    """They are told, ended by their control group while they write to the volume, and then all is released."""
    whole.start()
    pid = whole.container_pid(0)
    whole.kill_daemon()
    before = Path(whole.outer, "volume/file").stat().st_size
    wait_for(lambda: Path(whole.outer, "volume/file").stat().st_size > before)
    status = whole.status()
    assert status["resources"]["container#0"]["state"] == "warn" and status["overall"] == "warn"
    refused(whole, "stopped", "container#0", "stands on it", rid="fs,disk")
    outcome = stopped(whole)
    assert not alive(pid)
    for rid in ("fs#1", "fs#2"):
        assert "exclusive open" in outcome["evidence"][rid]["device"]
    assert whole.start()["status"]["overall"] == "up"


def test_a_stop_that_would_undermine_others(whole: Whole) -> None:
    """Nothing is taken away from below what is up: the daemon's file system, a disk, the file system around another."""
    whole.start()
    refused(whole, "stopped", "container#0", "stop it, too", rid="fs#2")
    refused(whole, "stopped", "fs#2", "stop it, too", rid="disk#2")
    refused(whole, "stopped", "fs#2", "stop it, too", rid="fs#1,container")
    whole.stop(rid="container")
    assert not whole.there()["daemon"] and whole.there()["fs#2"]
    whole.start(rid="container#1")
    whole.docker("stop", whole.name(1))
    whole.stop(rid="fs#2")  # the daemon goes with what carries its data
    assert not whole.there()["daemon"] and not whole.there()["fs#2"]
    stopped(whole)


# What a boot would start


def test_f103_nothing_starts_by_itself(whole: Whole) -> None:
    """No line of fstab, no unit, no link, no job is written; no container has a restart policy."""

    def of_the_node() -> list[tuple[str, int, int]]:
        found = []
        for parent, _names, files in os.walk("/etc"):
            for path in [parent, *(os.path.join(parent, name) for name in files)]:
                facts = os.lstat(path)
                found.append((path, facts.st_mtime_ns, facts.st_size))
        return sorted(found)

    before = of_the_node()
    whole.start()
    assert of_the_node() == before
    policies = [whole.inspect(index)["HostConfig"]["RestartPolicy"]["Name"] for index in (0, 1)]
    assert policies == ["no", "no"]
    whole.stop()
    assert of_the_node() == before and os.listdir("/run/systemd") == [] if os.path.exists("/run/systemd") else True


def test_f103_after_a_power_cut(whole: Whole) -> None:
    """Processes, mounts, devices, address and /run are gone at once: the status says down, a start brings all back."""
    whole.start()
    whole.cut_power()
    assert whole.truthful()["overall"] == "down" and os.listdir(whole.outer) == []
    outcome = whole.start()
    assert outcome["status"]["overall"] == "up" and Path(whole.outer, "volume/file").exists()
    assert sum(line.endswith(" start") for line in commands(outcome)) == 2
    stopped(whole)
