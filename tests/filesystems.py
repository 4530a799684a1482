# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of file systems share: loop devices, services, and strangers who hold what is to be released.

Made and read without the code under test. To be used inside tests/sandbox only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, kill, loops, run

ROOT = "/srv/fs-%s" % uuid.uuid4().hex[:8]
"""A folder that no other sandbox uses at the same time: loop devices, and the names of their files, belong to no namespace."""
MNT = ROOT + "/mnt"
RID = "fs#1"
SIZES = {"xfs": 300, "btrfs": 128}
"""The smallest that each type may have, in MiB."""


class Disk:
    """A file, and a loop device of it; with a file system of type `kind` when one is given. `size` is in MiB."""

    def __init__(self, name: str, kind: str = "", *options: str, size: int = 0):
        self.file = "%s/%s.img" % (ROOT, name)
        run("truncate", "--size", "%dM" % (size or SIZES.get(kind, 32)), self.file)
        if kind:
            run("mkfs." + kind, "-q", *options, self.file)
        self.device = attach(self.file)


@pytest.fixture
def root() -> Iterator[str]:
    """The folder, empty; no loop device or mount of it left afterwards."""
    os.makedirs(ROOT)
    yield ROOT
    clear()
    shutil.rmtree(ROOT)
    shutil.rmtree("/var/lib/dockyard", ignore_errors=True)


@pytest.fixture
def disk(root: str) -> Disk:
    """A loop device with an ext4."""
    return Disk("disk", "ext4")


def service(*containers: dict[str, Any], **sections: Any) -> Service:
    """A service of these sections, without containers unless some are given."""
    none: dict[str, Any] = {} if containers else {"docker_data_dir": None, "container#0": None}
    return Service("test/fs", *containers, **{**none, **sections})


def one(dev: str | None, kind: str = "ext4", **keywords: Any) -> Service:
    """A service with one file system on MNT."""
    section = {"type": kind, "dev": dev, "mnt": MNT, **keywords}
    return service(**{RID: {name: value for name, value in section.items() if value is not None}})


def fails(svc: Service, state: str, *words: str) -> dict[str, Any]:
    """An action fails with these words, before the first change unless it is a stop."""
    outcome = svc.act(state)
    assert outcome["failed"] and (state == "stopped" or not outcome["commands"]), outcome
    for word in words:
        assert word in outcome["msg"], outcome["msg"]
    return outcome


def commands(outcome: dict[str, Any]) -> list[str]:
    """The commands of an action."""
    return [command["cmd"] for command in outcome["commands"]]


def mounted(device: str, *options: str) -> None:
    """Mount a device on MNT by hand."""
    os.makedirs(MNT, exist_ok=True)
    run("mount", *options, device, MNT)


def attach(file: str) -> str:
    """One more loop device of a file."""
    return run("losetup", "--find", "--show", file).stdout.strip()


def points_of(folder: str, pid: str | int = "self") -> list[str]:
    """The mount points in a folder and on it, each as often as something is mounted there."""
    lines = Path("/proc/%s/mountinfo" % pid).read_text(encoding="utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    return sorted(point for point in points if point == folder or point.startswith(folder + "/"))


def clear() -> None:
    """Unmount what is mounted in ROOT, and detach the loop devices of the files in it."""
    while points_of(ROOT):  # one that hides another has to go first
        for point in reversed(points_of(ROOT)):
            run("umount", "--lazy", point, check=False)
    table = list(loops())
    own = [device for device, file in table if file.startswith(ROOT + "/")]
    upon = [device for device, file in table if "/dev/" + os.path.basename(file) in own]
    for device in upon + own:
        run("losetup", "--detach", device, check=False)


@contextlib.contextmanager
def process(code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> Iterator[int]:
    """A process of somebody else, ready when it says so; it is ended afterwards."""
    program = code + "\nprint('ready', flush=True)\nimport time\ntime.sleep(600)"
    child = subprocess.Popen(
        [*prefix, sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, cwd="/"
    )
    try:
        assert child.stdout and child.stdout.readline() == "ready\n"
        yield child.pid
    finally:
        kill(child.pid)
        child.wait()


def claiming(device: str) -> contextlib.AbstractContextManager[int]:
    """A process that has a device for itself alone, as a check or a mkfs has."""
    return process("import os, sys\nos.open(sys.argv[1], os.O_RDWR | os.O_EXCL)", device)


def opening(device: str) -> contextlib.AbstractContextManager[int]:
    """A process that has a device open and leaves it to others as well, as a virtual machine has."""
    return process("import os, sys\nos.open(sys.argv[1], os.O_RDWR)", device)


def working_in(folder: str) -> contextlib.AbstractContextManager[int]:
    """A process that works in a folder."""
    return process("import os, sys\nos.chdir(sys.argv[1])", folder)


def apart() -> contextlib.AbstractContextManager[int]:
    """A process with a mount namespace of its own, in which everything stays mounted that is mounted now."""
    return process("", prefix=("unshare", "--mount", "--propagation", "private"))
