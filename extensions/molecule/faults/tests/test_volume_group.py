# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to volume groups and logical volumes, on real LVM metadata, and what must come of it."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import disk_vg
from ansible_collections.dockyard.svc.plugins.module_utils.node import lvm
from ansible_collections.dockyard.svc.tests.disks import Disks, folder, nobody_can_tell, replaced, tags
from ansible_collections.dockyard.svc.tests.support import NODE, Service, run, wait_for
from ansible_collections.dockyard.svc.tests.volume_groups import (
    RID,
    MakeVg,
    add_volume,
    disks,
    group,
    make_vg,
    needs_no_device_mapper,
    refused,
    service,
    volume,
)

__all__ = ["disks", "folder", "group", "make_vg", "service", "volume"]


# Whose it is


def test_tag_of_another_node(service: Service, group: str) -> None:
    """It is not taken over, whatever it is, and not by a stop either (F63)."""
    run("vgchange", "--addtag", "@node2", group)
    assert service.state(RID) == "down"
    assert "belongs to node node2" in service.remarks(RID)
    refused(service, "has the tag @node2", "vgchange --deltag @node2 " + group)
    assert not service.stop()["changed"]
    assert tags(group) == ["node2"]


def test_tags_of_two_nodes(service: Service, group: str) -> None:
    """Whose it is cannot be told: no start, and a stop takes away this node's own tag alone."""
    service.start()
    run("vgchange", "--addtag", "@node2", group)
    assert service.state(RID) == "down"
    assert "tags of two nodes" in service.remarks(RID)
    assert service.status()["overall"] == "warn"
    refused(service, "has the tag @node2")
    service.stop()
    assert tags(group) == ["node2"]


def test_tags_of_people(make_vg: MakeVg, group: str) -> None:
    """They are kept (F73). One that could be a node is refused until it is declared to be none."""
    for tag in ("backup=daily", "team_a", "prod"):
        run("vgchange", "--addtag", tag, group)
    refused(make_vg({"type": "vg", "name": group}), "has the tag @prod", "list it in known_tags")
    service = make_vg({"type": "vg", "name": group, "known_tags": "prod"})
    service.start()
    assert sorted(tags(group)) == ["backup=daily", NODE, "prod", "team_a"]
    service.stop()
    assert sorted(tags(group)) == ["backup=daily", "prod", "team_a"]


def test_a_node_of_the_service_is_never_harmless(make_vg: MakeVg, group: str) -> None:
    """Not by its characters, and not because somebody lists it."""
    for tag in ("other_node", "node2"):
        run("vgchange", "--addtag", tag, group)
        service = make_vg({"type": "vg", "name": group, "known_tags": "node2"}, nodes=[NODE, "node2", "other_node"])
        refused(service, "has the tag @" + tag)
        run("vgchange", "--deltag", tag, group)


@pytest.fixture
def meanwhile(service: Service, group: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Starts the service, while another node changes the group as soon as this one has written its tag; the outcome."""
    monkeypatch.setattr(disk_vg, "SETTLE", 5.0)

    def start(*change: str) -> dict[str, Any]:
        def other_node() -> None:
            wait_for(lambda: tags(group) == [NODE])
            run("vgchange", *change, group)

        other = threading.Thread(target=other_node)
        other.start()
        outcome = service.act("started")
        other.join()
        return outcome

    return start


def test_two_nodes_at_the_same_moment(meanwhile: Callable[..., dict[str, Any]], group: str) -> None:
    """Both have read a group without tags, both write theirs: none goes on that does not stand alone (F64)."""
    outcome = meanwhile("--addtag", "@node2")
    assert outcome["failed"]
    assert "another node has taken the volume group" in outcome["msg"]
    assert tags(group) == ["node2"]


def test_tag_overwritten_by_another_node(meanwhile: Callable[..., dict[str, Any]]) -> None:
    """The last writer of the metadata wins: whose tag is gone does not go on."""
    outcome = meanwhile("--deltag", "@" + NODE)
    assert outcome["failed"]
    assert "the tag of this node is gone" in outcome["msg"]


def test_group_of_another_host(service: Service, disks: Disks, group: str) -> None:
    """A system id that is not this host's is refused; an own one is not."""
    disks.show(*disks.devices, host="hosta")
    run("vgchange", "--yes", "--systemid", "hosta", group)
    service.start()
    service.stop()
    disks.show(*disks.devices, host="hostb")
    assert service.state(RID) == "down"
    assert "has the system id hosta" in service.remarks(RID)
    refused(service, "belongs to the host with the system id hosta")


def test_group_of_another_service(service: Service, make_vg: MakeVg, group: str) -> None:
    """Teams may name one group in definitions of their own: it is the service's that has activated it."""
    other = make_vg({"type": "vg", "name": group})
    service.start()
    for state in ("started", "stopped"):
        outcome = other.act(state)
        assert outcome["failed"]
        assert "was activated by the service %s of this node" % service.path in outcome["msg"]
        assert tags(group) == [NODE]
    service.stop()
    other.start()
    other.stop()


# Faults of the storage


def test_unreadable_disk_is_not_an_absent_group(service: Service, disks: Disks) -> None:
    """LVM ends well and says nothing at all then (F67): what was started here is not taken for gone."""
    service.start()
    path = Path("/sys/block/%s/loop/backing_file" % disks.devices[0][5:]).read_text(encoding="utf-8").strip()
    content = Path(path).read_bytes()
    os.truncate(path, 0)
    assert service.state(RID) == "undef"
    assert "never stopped" in service.remarks(RID)
    assert service.act("started")["failed"]
    outcome = service.act("stopped")
    assert outcome["failed"]
    assert not outcome["commands"]
    Path(path).write_bytes(content)
    service.stop()
    assert service.state(RID) == "down"


@pytest.mark.parametrize(
    "script",
    [
        "exit 5",
        "echo '{\"report\": []}'; exit 5",
        "echo rubbish",
        "echo '{}'",
        "exit 0",
        'echo \'{"report": [{"vg": [{}]}]}\'',
        "sleep 60",
    ],
)
def test_lvm_that_cannot_tell(service: Service, group: str, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """No answer, no understood answer, and no answer in time are neither up nor down (F67)."""
    service.start()
    with replaced("lvm", script), monkeypatch.context() as hasty:
        hasty.setattr(lvm, "READ_DEADLINE", 0.5)
        nobody_can_tell(service)
    assert tags(group) == [NODE]


def test_lock_of_lvm_is_held(service: Service, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command that holds the group makes the status undefined, not down (F67)."""
    service.start()
    with open("/run/lock/lvm/V_" + group, "wb") as stream, monkeypatch.context() as hasty:
        hasty.setattr(lvm, "READ_DEADLINE", 0.5)
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert service.state(RID) == "undef"
        assert "was not done after 0.5 s" in service.remarks(RID)
    assert service.state(RID) == "up"


def test_environment_of_the_caller_does_not_count(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another configuration in somebody's shell does not make groups vanish."""
    monkeypatch.setenv("LVM_SYSTEM_DIR", "/nonexistent")
    service.start()
    assert service.state(RID) == "up"


def test_copy_of_a_disk(service: Service, disks: Disks) -> None:
    """LVM would use either of two disks with one uuid (F70)."""
    clone = disks.add(copy_of=disks.devices[0])
    assert "its disks are there twice" in service.remarks(RID)
    refused(service, "are there twice", clone if clone in service.remarks(RID) else disks.devices[0])


def test_missing_disk(service: Service, disks: Disks, group: str) -> None:
    """Nothing is activated in part (F71), and no metadata is written without the missing disk."""
    run("vgextend", group, disks.add())
    service.start()
    sequence = run("vgs", "--noheadings", "--options", "vg_seqno", group).stdout
    file = disks.remove(disks.devices[1])
    assert "are missing" in service.remarks(RID)
    outcome = service.act("stopped")
    assert outcome["failed"]
    assert "the tag @node1 stays" in outcome["msg"]
    assert tags(group) == [NODE]
    disks.devices.append(run("losetup", "--find", "--show", file).stdout.strip())
    disks.show(*disks.devices)
    assert run("vgs", "--noheadings", "--options", "vg_seqno", group).stdout == sequence
    service.stop()
    disks.remove(disks.devices[1])
    refused(service, "are missing")


def test_two_groups_of_one_name(service: Service, disks: Disks, group: str) -> None:
    """Neither is chosen (F75)."""
    first = disks.devices[0]
    second = disks.add()
    disks.show(second)
    run("vgcreate", group, second)
    disks.show(first, second)
    assert service.state(RID) == "undef"
    assert "there are two volume groups of the name" in service.remarks(RID)
    assert service.act("started")["failed"]
    assert service.act("stopped")["failed"]
    disks.show(first)
    assert service.state(RID) == "down"


def test_exported_group(service: Service, group: str) -> None:
    """It is on its way to another host."""
    run("vgexport", group)
    assert "is exported" in service.remarks(RID)
    refused(service, "is exported", "vgimport")


@needs_no_device_mapper
@pytest.mark.parametrize("tagged", [False, True])
def test_failed_activation_is_taken_back(service: Service, group: str, tagged: bool) -> None:
    """The tag goes when this run brought it, and stays when it was there; autoactivation stays off."""
    add_volume(group)
    run("vgchange", "--addtag", "backup=daily", group)
    if tagged:
        run("vgchange", "--addtag", "@" + NODE, group)
        assert service.state(RID) == "warn"
        assert "no volume is active" in service.remarks(RID)
    outcome = service.act("started")
    assert outcome["failed"]
    assert "vgchange ended with 5" in outcome["msg"]
    assert tags(group) == ["backup=daily", *([NODE] if tagged else [])]
    assert run("vgs", "--noheadings", "--options", "vg_autoactivation", group).stdout.strip() == ""
    service.stop()
    assert tags(group) == ["backup=daily"]


# Volumes


def test_volume_of_a_foreign_group(volume: Service, group: str) -> None:
    """Neither activated nor made nor removed while another node has the group."""
    run("vgchange", "--addtag", "@node2", group)
    assert volume.act("provisioned")["failed"]
    add_volume(group, "data")
    run("lvchange", "--addtag", "dockyard.id=" + volume.definition.short_id, group + "/data")
    assert "belongs to node node2" in volume.remarks(RID)
    refused(volume, "has the tag @node2")
    outcome = volume.act("unprovisioned")
    assert outcome["failed"]
    assert not outcome["commands"]


@needs_no_device_mapper
def test_volume_that_cannot_be_activated(volume: Service) -> None:
    """It says so, with the words of LVM."""
    assert not volume.act("provisioned")["failed"]
    outcome = volume.act("started")
    assert outcome["failed"]
    assert "lvchange ended with 5" in outcome["msg"]
    assert volume.state(RID) == "down"


@pytest.mark.parametrize("script", ["exit 5", "echo rubbish"])
def test_volume_when_lvm_cannot_tell(volume: Service, script: str) -> None:
    """Undefined, and a stop that does not know fails."""
    with replaced("lvm", script):
        assert volume.state(RID) == "undef"
        assert volume.act("stopped")["failed"]
