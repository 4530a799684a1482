# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups and logical volumes keep the contract of a driver, on real LVM metadata."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

import pytest
from ansible_collections.dockyard.svc.tests import support
from ansible_collections.dockyard.svc.tests.disks import Disks, commands, folder, new_name, tags
from ansible_collections.dockyard.svc.tests.support import NODE, Service, run
from ansible_collections.dockyard.svc.tests.volume_groups import (
    RID,
    MakeVg,
    add_volume,
    disks,
    group,
    make_vg,
    refused,
    service,
    volume,
)

__all__ = ["disks", "folder", "group", "make_vg", "service", "volume"]


def test_sequence(service: Service, group: str) -> None:
    """Down, started, started again, stopped, stopped again."""
    assert service.state(RID) == "down"
    assert "autoactivation is on" in service.remarks(RID)
    assert commands(service.start()) == [
        "vgchange --setautoactivation n " + group,
        "vgchange --addtag @node1 " + group,
    ]
    assert tags(group) == [NODE]
    assert service.state(RID) == "up"
    assert service.remarks(RID) == ""
    assert not service.start()["changed"]
    outcome = service.stop()
    assert commands(outcome) == ["vgchange --deltag @node1 " + group]
    assert sorted(outcome["evidence"][RID]) == ["owner tag", "volumes"]
    assert tags(group) == [""]
    assert service.state(RID) == "down"
    assert not service.stop()["changed"]


def test_check_mode_foretells(service: Service) -> None:
    """The same commands as the real run, and no change of the metadata."""
    for state in ("started", "started", "restarted", "stopped", "stopped", "restarted"):
        before = run("vgs", "--options", "vg_all").stdout
        foretold = service.act(state, check_mode=True)
        assert run("vgs", "--options", "vg_all").stdout == before
        done = service.act(state)
        assert not done["failed"], done["msg"]
        assert commands(foretold) == commands(done)
        assert foretold["changed"] == done["changed"]


@pytest.mark.parametrize(
    ("state", "ending"),
    [("started", "started"), ("started", "stopped"), ("stopped", "started"), ("restarted", "stopped")],
)
def test_killed_before_each_change(make_vg: MakeVg, disks: Disks, state: str, ending: str) -> None:
    """The status tells the truth, a start converges, a stop takes the tag away."""
    for at in count(1):
        group = new_name()
        run("vgcreate", group, disks.add(megabytes=16))
        service = make_vg({"type": "vg", "name": group}, nodes=[NODE, "node2"] if state == "started" else NODE)
        if state != "started":
            service.start()
        rc = service.module(state, {"DOCKYARD_FAULT_AT": str(at)}).wait()
        assert (service.state(RID) == "up") == (tags(group) == [NODE])
        if ending == "started":
            assert service.start()["status"]["overall"] == "up"
            assert not service.start()["changed"]
        service.stop()
        assert tags(group) == [""]
        assert not service.stop()["changed"]
        if rc != -signal.SIGKILL:
            assert at > 1
            break


def test_missing_group(make_vg: MakeVg, disks: Disks) -> None:
    """None is down, cannot be started, and has nothing to stop."""
    disks.add()
    service = make_vg({"type": "vg", "name": "nosuchgroup"})
    assert service.state(RID) == "down"
    refused(service, "LVM sees no volume group nosuchgroup")
    assert not service.stop()["changed"]


def test_a_node_with_the_name_of_every_node(
    make_vg: MakeVg, disks: Disks, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tag would keep nobody out of a shared group: none is started, and none is made."""
    device = disks.add()
    monkeypatch.setattr(support, "NODE", "localhost")
    text, nodes = "is that of every node", ["localhost", "node2"]
    refused(make_vg({"type": "vg", "name": group}, nodes=nodes), text)
    outcome = make_vg({"type": "vg", "name": "dynever", "pvs": device}, nodes=nodes).act("provisioned")
    assert outcome["failed"] and text in outcome["msg"] and not outcome["commands"], outcome["msg"]
    assert not any(tags(group))


# Provisioning


def test_provision_and_unprovision(make_vg: MakeVg, disks: Disks) -> None:
    """A group on empty disks; again nothing to do; gone with unprovision, and the disks with it."""
    name = new_name()
    first, second = disks.add(), disks.add()
    service = make_vg({"type": "vg", "name": name, "pvs": [first, second]}, nodes=[NODE, "node2"])
    foretold = service.act("provisioned", check_mode=True)
    done = service.act("provisioned")
    assert not done["failed"], done["msg"]
    assert commands(foretold) == commands(done)
    (tag,) = tags(name)
    assert tag.startswith("dockyard.id=")
    assert run("vgs", "--noheadings", "--options", "vg_autoactivation", name).stdout.strip() == ""
    assert not service.act("provisioned")["changed"]
    assert service.start()["status"]["overall"] == "up"
    foretold = service.act("unprovisioned", check_mode=True)
    gone = service.act("unprovisioned")
    assert not gone["failed"], gone["msg"]
    assert commands(foretold) == commands(gone)
    assert run("pvs", "--noheadings").stdout == ""
    assert not service.act("unprovisioned")["changed"]
    assert service.act("provisioned")["changed"], "the disks are as empty as they were"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("xfs", "xfs file system"),
        ("pv", "physical volume"),
        ("bytes", "data of unknown kind"),
        ("used", "is in use"),
    ],
)
def test_provision_touches_no_content(make_vg: MakeVg, disks: Disks, kind: str, text: str) -> None:
    """A disk that holds anything, or that somebody uses, is left as it is (F95)."""
    device = disks.add(megabytes=512 if kind == "xfs" else 64)
    if kind == "used":
        descriptor = os.open(device, os.O_RDONLY | os.O_EXCL)
    else:
        descriptor = -1
        disks.fill(device, kind)
    before = Path(device).read_bytes()
    try:
        outcome = make_vg({"type": "vg", "name": "dynever", "pvs": device}).act("provisioned")
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    assert outcome["failed"]
    assert text in outcome["msg"]
    assert not outcome["commands"]
    assert Path(device).read_bytes() == before


def test_provision_of_a_group_on_other_disks(make_vg: MakeVg, disks: Disks, group: str) -> None:
    """One that is there already is only taken when it is the one that is meant."""
    service = make_vg({"type": "vg", "name": group, "pvs": [disks.devices[0], disks.add()]})
    outcome = service.act("provisioned")
    assert outcome["failed"]
    assert "already" in outcome["msg"]
    assert not outcome["commands"]


def test_unprovision_of_what_was_not_provisioned(make_vg: MakeVg, disks: Disks, group: str) -> None:
    """Neither the group of somebody else, nor an own one with volumes, is removed."""
    service = make_vg({"type": "vg", "name": group, "pvs": disks.devices})
    outcome = service.act("unprovisioned")
    assert outcome["failed"]
    assert "was not made by provisioning" in outcome["msg"]
    run("vgchange", "--addtag", "dockyard.id=" + service.definition.short_id, group)
    add_volume(group)
    outcome = service.act("unprovisioned")
    assert outcome["failed"]
    assert "still has volumes: lv0" in outcome["msg"]
    run("vgs", group)


@pytest.mark.parametrize("state", ["provisioned", "unprovisioned"])
def test_provisioning_killed_before_each_change(make_vg: MakeVg, folder: Path, state: str) -> None:
    """On a loop device of the service: what was begun is finished by the next run, and cleared away by the next."""
    for at in count(1):
        Disks.show("/dev/loop[0-9]+")
        name, path = new_name(), folder / ("%d.img" % at)
        service = make_vg(
            {"type": "loop", "file": str(path), "size": "16m"}, {"type": "vg", "name": name, "pvs": str(path)}
        )
        if state == "unprovisioned":
            assert not service.act("provisioned")["failed"]
        else:
            foretold = service.act("provisioned", check_mode=True)
            assert not foretold["failed"], foretold["msg"]
        rc = service.module(state, {"DOCKYARD_FAULT_AT": str(at)}, confirm=[service.path]).wait()
        done = service.act("provisioned")
        assert not done["failed"], done["msg"]
        assert service.start()["status"]["overall"] == "up"
        gone = service.act("unprovisioned")
        assert not gone["failed"], gone["msg"]
        assert not path.exists()
        if rc != -signal.SIGKILL:
            assert at > 2
            break


def test_group_on_a_loop_device(make_vg: MakeVg, folder: Path) -> None:
    """The group is found once its disk is attached: the checks before the start do not miss it."""
    Disks.show("/dev/loop[0-9]+")
    name, path = new_name(), folder / "a.img"
    service = make_vg(
        {"type": "loop", "file": str(path), "size": "16m"}, {"type": "vg", "name": name, "pvs": str(path)}
    )
    foretold, done = service.act("provisioned", check_mode=True), service.act("provisioned")
    assert not done["failed"], done["msg"]
    assert commands(foretold) == commands(done)
    assert run("vgs", name, check=False).returncode != 0, "the loop device is detached again"
    assert not service.act("started", check_mode=True)["failed"]
    service.start()
    service.stop()
    assert run("vgs", name, check=False).returncode != 0


# Logical volumes


def test_volume_provision_and_unprovision(volume: Service, group: str) -> None:
    """Made once, with the mark of the service, and removed again."""
    assert volume.state(RID) == "down"
    refused(volume, "there is no volume %s/data" % group)
    foretold = volume.act("provisioned", check_mode=True)
    done = volume.act("provisioned")
    assert not done["failed"], done["msg"]
    assert commands(foretold) == commands(done)
    shown = run("lvs", "--noheadings", "--options", "lv_name,lv_size,lv_tags", group).stdout.split()
    assert shown == ["data", "8.00m", "dockyard.id=" + volume.definition.short_id]
    assert not volume.act("provisioned")["changed"]
    assert not volume.stop()["changed"]
    gone = volume.act("unprovisioned")
    assert not gone["failed"], gone["msg"]
    assert run("lvs", "--noheadings", group).stdout == ""
    assert not volume.act("unprovisioned")["changed"]


def test_volume_of_somebody_else_is_kept(volume: Service, group: str) -> None:
    """It is used, when it is there, and never removed."""
    add_volume(group, "data")
    assert not volume.act("provisioned")["changed"]
    outcome = volume.act("unprovisioned")
    assert outcome["failed"]
    assert "was not made by provisioning" in outcome["msg"]
    assert run("lvs", "--noheadings", group).stdout.split()[0] == "data"
