# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of disks share: loop devices that go away whatever happens, LVM that sees only those, and programs that lie.

To be used inside tests/sandbox only. Loop devices and their numbers belong to the whole machine all the same.
"""

from __future__ import annotations

import os
import re
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, loops, run, wait_for

SIZE = 16 << 20
MakeLoop = Callable[..., Service]
_LVM_CONF = """
devices {
  filter = [%(filter)s]
  global_filter = [%(filter)s]
  use_devicesfile = 0
  scan = ["/dev"]
  obtain_device_list_from_udev = 0
  external_device_info_source = "none"
}
global { locking_dir = "/run/lock/lvm" event_activation = 0 system_id_source = "%(source)s" }
local { system_id = "%(host)s" }
backup { backup = 0 archive = 0 }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
"""


def attached(folder: Path) -> list[str]:
    """The loop devices of files in a folder whose name nobody else uses."""
    return sorted(device for device, file in loops() if file.startswith("%s/" % folder))


def new_name() -> str:
    """A name for a volume group. Loop devices are shared by all sandboxes of the machine, process numbers are not."""
    return "dy" + uuid.uuid4().hex[:8]


def commands(outcome: dict[str, Any]) -> list[str]:
    """The commands of an action. Which loop device is the next one is not known before: others take some at any time."""
    return [re.sub(r"/dev/loop[0-9]+", "/dev/loopN", command["cmd"]) for command in outcome["commands"]]


@contextmanager
def replaced(program: str, script: str) -> Iterator[None]:
    """Put a shell script in the place of a program, for this sandbox alone."""
    path = run("sh", "-c", "command -v " + program).stdout.strip()
    real = "/run/real-" + program
    run("cp", os.path.realpath(path), real)
    Path("/run/fake").write_text("#!/bin/sh\nREAL=%s\n%s\n" % (real, script), encoding="utf-8")
    os.chmod("/run/fake", 0o755)
    run("mount", "--bind", "/run/fake", os.path.realpath(path))
    try:
        yield
    finally:  # one that runs on behind a killed module keeps it busy
        wait_for(lambda: run("umount", os.path.realpath(path), check=False).returncode == 0)


def nobody_can_tell(service: Service, rid: str = "disk#0") -> None:
    """The program that knows does not answer: that is neither up nor down, no start is tried, and a stop fails."""
    assert service.state(rid) == "undef"
    assert service.act("started")["failed"]
    outcome = service.act("stopped")
    assert outcome["failed"]
    assert not outcome["commands"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the files of loop devices. Those are the whole machine's, so they are detached whatever happens."""
    path = Path("/srv/loops-%s" % uuid.uuid4().hex[:8])
    path.mkdir(mode=0o755)
    yield path
    for device in attached(path):
        run("umount", device, check=False)
        run("losetup", "--detach", device, check=False)
    wait_for(lambda: not attached(path), 10)


@pytest.fixture
def file(folder: Path) -> str:
    """A file for a loop device."""
    path = folder / "disk.img"
    with path.open("wb") as stream:
        stream.truncate(SIZE)
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def make_loop(make: Callable[..., Service]) -> MakeLoop:
    """Makes a service of loop devices alone."""

    def one(*files: str, **keywords: Any) -> Service:
        sections = {
            "disk#%d" % index: {"type": "loop", "file": path, **keywords} for index, path in enumerate(map(str, files))
        }
        return make(**{"container#0": None, "docker_data_dir": None, **sections})

    return one


class Disks:
    """Disks for LVM: loop devices of files in a folder, and the configuration that shows LVM nothing else."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.devices: list[str] = []

    def add(self, copy_of: str = "", megabytes: int = 64) -> str:
        """One more disk, empty or a copy of another one."""
        path = self.folder / ("disk%d.img" % len(list(self.folder.iterdir())))
        if copy_of:
            run("dd", "if=" + copy_of, "of=%s" % path, "bs=1M", "conv=sparse")
        with path.open("ab") as stream:
            stream.truncate(megabytes << 20)
        self.devices.append(run("losetup", "--find", "--show", str(path)).stdout.strip())
        self.show(*self.devices)
        return self.devices[-1]

    def remove(self, device: str) -> str:
        """Take a disk away; the file that it had."""
        file = Path("/sys/block/%s/loop/backing_file" % device[5:]).read_text(encoding="utf-8").strip()
        run("losetup", "--detach", device)
        self.devices.remove(device)
        return file

    @staticmethod
    def show(*devices: str, host: str = "") -> None:
        """Let LVM see these devices only, on a host with this system id."""
        accepted = ['"a|^%s$|"' % device for device in devices]
        Path("/etc/lvm").mkdir(exist_ok=True)
        filters = ", ".join([*accepted, '"r|.*|"'])
        text = _LVM_CONF % {"filter": filters, "host": host, "source": "lvmlocal" if host else "none"}
        Path("/etc/lvm/lvm.conf").write_text(text, encoding="utf-8")

    def fill(self, device: str, kind: str) -> None:
        """Put something on a disk."""
        if kind in ("xfs", "ext4"):
            run("mkfs." + kind, "-q", device)
        elif kind == "pv":
            run("pvcreate", device)
        else:
            with open(device, "wb") as stream:
                stream.write(b"precious data")


def tags(group: str) -> list[str]:
    """The tags of a volume group, as LVM tells."""
    return run("vgs", "--noheadings", "--options", "vg_tags", group).stdout.strip().split(",")
