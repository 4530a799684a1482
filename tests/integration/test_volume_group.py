# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups and logical volumes, on real LVM metadata.

The kernel of a test machine may have no device mapper. A group without volumes needs none: all but the activation itself
is shown with such groups. With volumes, the activation fails there, which shows how a start is taken back.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from itertools import count
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import disk_vg
from ansible_collections.dockyard.svc.plugins.module_utils.node import lvm
from ansible_collections.dockyard.svc.tests.disks import Disks, commands, folder, new_name, replaced, tags
from ansible_collections.dockyard.svc.tests.support import NODE, Service, run, wait_for

__all__ = ["folder"]
RID = "disk#0"
METADATA_ONLY = ["--activate", "n", "--zero", "n", "--wipesignatures", "n", "--driverloaded", "n"]
"""Options with which lvcreate needs no device mapper."""
HAS_DEVICE_MAPPER = "device-mapper" in Path("/proc/devices").read_text(encoding="utf-8")
needs_no_device_mapper = pytest.mark.skipif(HAS_DEVICE_MAPPER, reason="activation works here")

MakeVg = Callable[..., Service]


@pytest.fixture
def disks(folder: Path) -> Iterator[Disks]:
    """Disks for LVM."""
    yield Disks(folder)
    Disks.show()


@pytest.fixture
def group(disks: Disks) -> str:
    """The name of a volume group on one disk, without volumes."""
    name = new_name()
    run("vgcreate", name, disks.add())
    return name


@pytest.fixture
def make_vg(make: Callable[..., Service]) -> MakeVg:
    """Makes a service of sections, without containers."""

    def one(*sections: dict[str, Any], **default: Any) -> Service:
        numbered = {"disk#%d" % index: section for index, section in enumerate(sections)}
        return make(**{"container#0": None, "docker_data_dir": None, **numbered, **default})

    return one


@pytest.fixture
def service(make_vg: MakeVg, group: str) -> Service:
    """A service with a volume group that other nodes see, too."""
    return make_vg({"type": "vg", "name": group}, nodes=[NODE, "node2"])


def add_volume(group: str, name: str = "lv0") -> None:
    """A volume of 8 MiB, by its metadata alone."""
    run("lvcreate", *METADATA_ONLY, "--name", name, "--size", "8m", group)


def refused(service: Service, *texts: str) -> None:
    """A start is refused with these words, before any change; restarts and provisions do no more."""
    outcome = service.act("started")
    assert outcome["failed"]
    assert not outcome["commands"]
    for text in texts:
        assert text in outcome["msg"]


# The contract


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


def test_two_nodes_at_the_same_moment(service: Service, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read a group without tags, both write theirs: none goes on that does not stand alone (F64)."""
    monkeypatch.setattr(disk_vg, "SETTLE", 2.0)

    def other_node() -> None:
        wait_for(lambda: tags(group) == [NODE])
        run("vgchange", "--addtag", "@node2", group)

    other = threading.Thread(target=other_node)
    other.start()
    outcome = service.act("started")
    other.join()
    assert outcome["failed"]
    assert "another node has taken the volume group" in outcome["msg"]
    assert tags(group) == ["node2"]


def test_tag_overwritten_by_another_node(service: Service, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last writer of the metadata wins: whose tag is gone does not go on."""
    monkeypatch.setattr(disk_vg, "SETTLE", 2.0)

    def other_node() -> None:
        wait_for(lambda: tags(group) == [NODE])
        run("vgchange", "--deltag", "@" + NODE, group)

    other = threading.Thread(target=other_node)
    other.start()
    outcome = service.act("started")
    other.join()
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
    monkeypatch.setattr(lvm, "READ_DEADLINE", 0.5)
    service.start()
    with replaced("lvm", script):
        assert service.state(RID) == "undef"
        assert service.act("started")["failed"]
        outcome = service.act("stopped")
        assert outcome["failed"]
        assert not outcome["commands"]
    assert tags(group) == [NODE]


def test_lock_of_lvm_is_held(service: Service, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command that holds the group makes the status undefined, not down (F67)."""
    monkeypatch.setattr(lvm, "READ_DEADLINE", 0.5)
    service.start()
    with open("/run/lock/lvm/V_" + group, "wb") as stream:
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


@pytest.fixture
def volume(make_vg: MakeVg, group: str) -> Service:
    """A service with one logical volume in a group that it does not manage."""
    return make_vg({"type": "lv", "vg": group, "name": "data", "size": "8m", "create_options": METADATA_ONLY})


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
