# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop devices keep the contract of a driver, on real loop devices."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import pytest
from ansible_collections.dockyard.svc.tests.disks import SIZE, MakeLoop, attached, commands, file, folder, make_loop
from ansible_collections.dockyard.svc.tests.support import run

RID = "disk#0"
__all__ = ["file", "folder", "make_loop"]


def test_sequence(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """Down, started, started again, stopped, stopped again; the kernel agrees each time."""
    service = make_loop(file)
    assert service.state(RID) == "down"
    assert service.start()["changed"]
    (device,) = attached(folder)
    assert service.status()["resources"][RID]["facts"]["device"] == device
    assert device in service.status()["resources"][RID]["label"]
    again = service.start()
    assert not again["changed"]
    assert not again["commands"]
    outcome = service.stop()
    assert outcome["changed"]
    assert outcome["evidence"][RID] == {"loop": "no loop device has %s" % file}
    assert attached(folder) == []
    assert service.state(RID) == "down"
    assert not service.stop()["changed"]


@pytest.mark.parametrize(
    "states", [["started", "started", "stopped", "stopped"], ["started", "restarted", "restarted"]]
)
def test_check_mode_foretells(make_loop: MakeLoop, folder: Path, states: list[str]) -> None:
    """The same commands as the real run, and no trace."""
    paths = [folder / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(bytes(SIZE))
        path.chmod(0o600)
    service = make_loop(*paths)
    for state in states:
        before = attached(folder)
        foretold = service.act(state, check_mode=True)
        assert attached(folder) == before
        done = service.act(state)
        assert not done["failed"], done["msg"]
        assert commands(foretold) == commands(done)
        assert foretold["changed"] == done["changed"]


def test_attached_by_hand_is_up(make_loop: MakeLoop, file: str, folder: Path) -> None:
    """A device is known by its file, not by who made it, and not by the path that was given."""
    os.link(file, folder / "other-name")
    run("losetup", "--find", str(folder / "other-name"))
    service = make_loop(file)
    assert service.state(RID) == "up"
    assert not service.start()["changed"]
    assert service.stop()["changed"]
    assert attached(folder) == []


# Provisioning


def test_provision(make_loop: MakeLoop, folder: Path) -> None:
    """A sparse file of root's own; again nothing to do; gone with unprovision."""
    path = folder / "new.img"
    service = make_loop(path, size="16m")
    foretold = service.act("provisioned", check_mode=True)
    assert not path.exists()
    done = service.act("provisioned")
    assert not done["failed"], done["msg"]
    assert commands(foretold) == commands(done)
    facts = path.stat()
    assert (facts.st_size, facts.st_mode & 0o7777, facts.st_uid, facts.st_blocks) == (SIZE, 0o600, 0, 0)
    assert not service.act("provisioned")["changed"]
    service.start()
    gone = service.act("unprovisioned")
    assert not gone["failed"], gone["msg"]
    assert not path.exists()
    assert attached(folder) == []
    assert not service.act("unprovisioned")["changed"]


def test_provision_leaves_what_is_there(make_loop: MakeLoop, file: str) -> None:
    """A file of the right size is taken as it is, another one is refused, and neither is ever removed."""
    assert not make_loop(file, size="16m").act("provisioned")["changed"]
    other = make_loop(file, size="17m").act("provisioned")
    assert other["failed"]
    assert "with 16777216 bytes" in other["msg"]
    outcome = make_loop(file, size="16m").act("unprovisioned")
    assert outcome["failed"]
    assert "was not made by provisioning" in outcome["msg"]
    assert os.stat(file).st_size == SIZE


# Interruption


@pytest.mark.parametrize("state", ["started", "stopped", "restarted", "provisioned", "unprovisioned"])
@pytest.mark.parametrize("ending", ["started", "stopped"])
def test_killed_before_each_change(make_loop: MakeLoop, folder: Path, state: str, ending: str) -> None:
    """The status tells the truth, a start converges, a stop leaves nothing."""
    for at in count(1):
        path = folder / ("%d.img" % at)
        service = make_loop(path, size="16m")
        if state != "provisioned":
            assert not service.act("provisioned")["failed"]
        if state in ("stopped", "restarted", "unprovisioned"):
            service.start()
        rc = service.module(state, {"DOCKYARD_FAULT_AT": str(at)}, confirm=[service.path]).wait()
        assert (service.state(RID) == "up") == bool(attached(folder)), service.status()
        if ending == "started":
            assert not service.act("provisioned")["failed"]
            assert service.start()["status"]["overall"] == "up"
            assert path.stat().st_size == SIZE
            assert not service.start()["changed"]
        service.stop()
        assert attached(folder) == []
        assert not service.act("unprovisioned")["failed"]
        assert not path.exists()
        if rc != -signal.SIGKILL:
            assert at > 1
            break
