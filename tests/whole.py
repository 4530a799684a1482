# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole services: an address, two disks, a file system in another one, a private daemon, two containers.

What the machine has of them is read here without the code under test. To be used inside tests/sandbox only.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import fault_step
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.selection import select_resources
from ansible_collections.dockyard.svc.plugins.module_utils.engine import many
from ansible_collections.dockyard.svc.plugins.module_utils.node.machine import Directories, Host
from ansible_collections.dockyard.svc.tests.support import (
    NODE,
    Service,
    container,
    kill,
    loops,
    loops_of,
    places_of,
    run,
)

ROOT = "/srv/whole-%s" % uuid.uuid4().hex[:8]
"""A folder that no other sandbox uses at the same time: loop devices belong to no namespace."""
UP = ("up", "warn", "stdby up")
DOWN = ("down", "stdby down")
WRITES = "trap 'exit 0' TERM; while :; do echo x >>/data/file; sleep 0.1; done"
SIDE_BY_SIDE = 4
_number = count(10)
_PROCESSES = multiprocessing.get_context("forkserver")  # forks of one that has imported everything
_PROCESSES.set_forkserver_preload([__name__, "docker", "pytest"])
_STARTS_AND_JOINS = threading.Lock()
"""A start reads the exit codes of the others as well: of two threads that read one, the second takes it for 255."""


class Whole(Service):
    """One service with everything: `outer` and `inner` are the mount points, `files` the disks."""

    def __init__(self, folder: str, number: int, **sections: Any):
        self.folder = folder
        self.outer, self.inner = folder + "/mnt", folder + "/mnt/inner"
        self.files = [folder + "/outer.img", folder + "/inner.img"]
        self.address = "10.9.0.%d" % number
        super().__init__("test/w%d" % number, **{**self.sections(), **sections})

    def sections(self) -> dict[str, Any]:
        """The definition but for what a test changes."""
        return {
            "docker_data_dir": self.inner + "/docker",
            "ip#1": {"ipname": self.address, "ipdev": "v0"},
            "disk#1": {"type": "loop", "file": self.files[0], "size": "32m"},
            "disk#2": {"type": "loop", "file": self.files[1], "size": "128m"},
            "fs#1": {"type": "ext4", "dev": self.files[0], "mnt": self.outer},
            "fs#2": {"type": "ext4", "dev": self.files[1], "mnt": self.inner},
            "container#0": container(
                command=["sh", "-c", WRITES], volume_mounts=self.outer + "/volume:/data", stop_timeout=3
            ),
            "container#1": container(stop_timeout=3),
        }

    def changed(self, **sections: Any) -> Whole:
        """The same service with another definition. A section or keyword of None is left out."""
        raw = {**self.sections(), **sections}
        return Whole(self.folder, int(self.address.rpartition(".")[2]), **raw)

    def with_keywords(self, rid: str, **keywords: Any) -> Whole:
        """The same service with other keywords in one section."""
        return self.changed(**{rid: {**self.sections()[rid], **keywords}})

    def there(self) -> dict[str, bool]:
        """Which resources the machine has, and the daemon, as the machine tells. None of the daemon's when it is busy."""
        mounts = json.loads(run("findmnt", "--json", "--list", "--output", "TARGET,SOURCE").stdout)["filesystems"]
        pairs = {(mount["target"], mount["source"]) for mount in mounts}
        devices = [loops_of(file) for file in self.files]
        found = {"ip#1": bool(places_of(self.address)), "disk#1": bool(devices[0]), "disk#2": bool(devices[1])}
        for rid, mnt, upon in (("fs#1", self.outer, devices[0]), ("fs#2", self.inner, devices[1])):
            found[rid] = any((mnt, device) in pairs for device in upon)
        found["daemon"] = bool(self.daemon_pid())
        names = self._running() if found["daemon"] else []
        for index in (0, 1):
            found["container#%d" % index] = self.name(index) in names
        return {rid: is_there for rid, is_there in found.items() if rid in self.raw or rid == "daemon"}

    def leftovers(self) -> list[str]:
        """What is in the folder of the service: its disks and mount points."""
        return os.listdir(self.folder)

    def cut_power(self) -> None:
        """Take away what does not outlive a power cut: processes, mounts, devices, the address, and what lies in /run."""
        kill(*[self.container_pid(index) for index in (0, 1)], self.daemon_pid(), *self.helpers())
        with suppress(AssertionError):
            kill(*self.helpers())
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
        places = (self.outer + "/", self.exec_root + "/")
        for point in reversed([point for point in points if (point + "/").startswith(places)]):
            run("umount", point)
        for device in [device for file in self.files for device in loops_of(file)]:
            run("losetup", "--detach", device)
        for place, device in places_of(self.address):
            run("ip", "address", "delete", place, "dev", device)
        machine = self.machine
        for path in (machine.socket_folder, machine.private_folder, machine.exec_root):
            shutil.rmtree(path)
        assert self.remains() == []

    def _running(self) -> list[str]:
        end = time.monotonic() + 20
        while self.daemon_pid() and time.monotonic() < end:
            done = self.docker("ps", "--format", "{{.Names}}", check=False)
            if done.returncode == 0:
                return done.stdout.split()
            time.sleep(0.1)
        return []

    def truthful(self) -> dict[str, Any]:
        """The status, which must agree with what the machine tells."""
        for _attempt in range(20):
            before = self.there()
            status = self.status(docker_patience=many.DOCKER_PATIENCE)
            if before == self.there():
                break
        states = {rid: resource["state"] for rid, resource in status["resources"].items()}
        if status["daemon"] and status["daemon"]["state"] == "warn":  # who outlived it is told apart by control groups
            before.update({rid: state == "warn" for rid, state in states.items() if rid.startswith("container")})
        for rid, state in states.items():
            if rid not in before:  # a test has added it
                continue
            assert state in (UP if before[rid] else DOWN), (rid, before, states, status)
        if status["daemon"]:
            assert (status["daemon"]["state"] == "up") == before["daemon"], (before, status["daemon"])
        if not all(before.values()):
            assert status["overall"] != "up", status
        return status


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    """A folder with the two disks of a service: file systems with a folder for the volume, and the image of the containers."""
    folder = ROOT + "/template"
    if os.path.isdir(folder):  # each file that imports a fixture has one of its own
        yield folder
        return
    os.makedirs(folder)
    made = Whole(folder, 9, **{"ip#1": None})
    run("truncate", "--size", "32M", made.files[0])
    run("truncate", "--size", "128M", made.files[1])
    for file in made.files:
        run("mkfs.ext4", "-q", file)
    try:
        made.start(rid="fs,disk")
        os.makedirs(made.outer + "/volume")
        made.start()
        made.stop(rid="container")
        made.start(rid="container#1")
        made.docker("rm", "--force", made.name(0), made.name(1))
        os.unlink(made.outer + "/volume/file")
        made.stop()
        yield folder
    finally:
        made.wipe()
        clear(ROOT)


@pytest.fixture
def make_whole(wire: None, template: str) -> Iterator[Callable[..., Whole]]:
    """Makes a service with everything, down, its disks made; sections that are given replace its own."""
    made: list[Whole] = []

    def one(empty: bool = False, **sections: Any) -> Whole:
        number = next(_number)
        folder = "%s/%d" % (ROOT, number)
        os.makedirs(folder)
        if not empty:
            for name in ("outer.img", "inner.img"):
                run("cp", "--sparse=always", "%s/%s" % (template, name), folder)
        made.append(Whole(folder, number, **sections))
        return made[-1]

    yield one
    for service in made:
        service.wipe()
        clear(service.folder)


@pytest.fixture
def whole(make_whole: Callable[..., Whole]) -> Whole:
    """A service with everything, down."""
    return make_whole()


def fails(whole: Whole, state: str, *words: str, **options: Any) -> dict[str, Any]:
    """An action fails with one sentence that holds these words, and the status after it is true."""
    outcome = whole.act(state, **options)
    assert outcome["failed"], outcome
    for word in words:
        assert word in outcome["msg"], outcome["msg"]
    assert "\n" not in outcome["msg"] and "internal error" not in outcome["msg"], outcome["msg"]
    whole.truthful()
    return outcome


def refused(whole: Whole, state: str, *words: str, **options: Any) -> None:
    """An action fails with these words before it has changed anything."""

    def picture() -> list[Any]:  # without the books of the collection, and disks, which the kernel writes when it likes
        own = ("/run/dockyard", "/var/lib/dockyard", "/var/log/dockyard", whole.files[0], whole.files[1])
        return [item for item in everything(whole.folder) if not str(item[0]).startswith(own)]

    before = picture()
    assert fails(whole, state, *words, **options)["commands"] == []
    new = [item for item in picture() if item not in before]
    assert new == [], new


def cut(whole: Whole, state: str, at: int) -> bool:
    """Kill an action before its change number `at`, after which the status is true; whether it got that far."""
    action = _PROCESSES.Process(target=_act_until, args=(whole.path, whole.raw, state, at))
    with _STARTS_AND_JOINS:
        action.start()
    wait([action.sentinel])
    with _STARTS_AND_JOINS:
        action.join()
    killed = action.exitcode == -signal.SIGKILL
    assert killed or action.exitcode == 0, (state, at, action.exitcode)
    assert whole.truthful()["action"] == ""
    return killed


def _act_until(path: str, raw: dict[str, Any], state: str, at: int) -> None:
    """Bring a service into a state, and be killed on the way there."""
    os.environ["DOCKYARD_FAULT_AT"] = str(at)
    definitions = parse_all({path: raw}, NODE)
    rids = select_resources("", definitions)
    many.act(definitions, rids, Host(Directories()), state, check_mode=False, step=fault_step())


def walk(
    services: Sequence[Whole],
    life: Callable[[Whole, int, Sequence[bool]], Sequence[bool]],
    at_least: Sequence[int],
) -> None:
    """Cut actions in the lives of services before their first, second, ... change, until all of them end by themselves.

    `life` ends as it began. It is told which of its actions are still to be cut, and tells which were. `at_least` is how
    many changes each must have. The services live side by side.
    """
    lives: list[Sequence[bool]] = []
    left: Sequence[bool] = [True] * len(at_least)
    with ThreadPoolExecutor(len(services)) as pool:
        while any(left):
            numbers = range(len(lives) + 1, len(lives) + 1 + len(services))
            lives += pool.map(life, services, numbers, [left] * len(services))
            left = lives[-1]
    for killed, least in zip(zip(*lives), at_least):
        changes = killed.index(False)
        assert changes >= least and not any(killed[changes:]), lives


def everything(*folders: str) -> list[Any]:
    """All that an action could change: every file with its time and size, mounts, addresses, routes, loop devices, rules."""
    found: list[tuple[Any, ...]] = []
    for words in (
        ("findmnt", "--list", "--noheadings", "--output", "TARGET,SOURCE,OPTIONS"),
        ("ip", "rule"),
        ("nft", "list", "ruleset"),
    ):
        found.append((words, run(*words).stdout))
    routes = run("ip", "route", "show", "table", "all").stdout.splitlines()
    found.append(("routes", [line for line in routes if "fe80:" not in line and "ff00:" not in line]))  # they come late
    links = json.loads(run("ip", "-json", "address").stdout)
    found += [(link["ifname"], entry["local"], entry["prefixlen"]) for link in links for entry in link["addr_info"]]
    found = [item for item in found if not str(item[1]).startswith("fe80:")]
    found.append(("loops", sorted(pair for pair in loops() if ROOT in pair[1])))
    for folder in ("/run/dockyard", "/var/lib/dockyard", "/var/log/dockyard", *folders):
        for parent, names, files in os.walk(folder):
            names[:] = [name for name in names if name not in ("x", "docker", "volume")]
            for path in [parent, *(os.path.join(parent, name) for name in files)]:
                facts = os.lstat(path)
                when = 0 if path.endswith(".img") else facts.st_mtime_ns  # the kernel writes disks when it likes
                found.append((path, when, facts.st_size, facts.st_mode, facts.st_uid))
    return sorted(found, key=str)


def clear(folder: str) -> None:
    """Unmount all in a folder, detach the loop devices of files in it, and remove it."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    for point in reversed([line.split()[4] for line in lines]):
        if point.startswith(folder + "/"):
            run("umount", "--lazy", point, check=False)
    for device, file in loops():
        if file.startswith(folder + "/"):
            run("losetup", "--detach", device, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def commands(outcome: dict[str, Any]) -> list[str]:
    """The commands of an action. Pids, ids, and the number of the next loop device are not known before."""
    return [
        re.sub(
            r"/dev/loop[0-9]+", "/dev/loopN", re.sub(r"(kill -\w+|stop -t \d+|start|rm) [0-9a-f]*$", r"\1", item["cmd"])
        )
        for item in outcome["commands"]
    ]
