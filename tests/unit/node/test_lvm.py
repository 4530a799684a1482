# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from fnmatch import fnmatchcase

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import lvm
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Result, Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import CommandFailed, Undetermined
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal
from ansible_collections.dockyard.svc.plugins.module_utils.node.lvm_changes import Changes, leaves_inactive

VG_UUID, PV_UUID = "fxPESn-tcPG-Dux3-z2un-1LpH-dW9T-6qxMyL", "oD6NbA-6Jnp-AZqj-7MF3-RC9P-msfP-K1r77t"
LV_UUID = "eJqjT0-Avd7-2rKZ-8KbR-4TJo-aOzl-q0XXIK"
KERNEL_NAME = ("LVM-" + VG_UUID + LV_UUID).replace("-", "").replace("LVM", "LVM-")
VG = {
    "vg_name": "vg1",
    "vg_uuid": VG_UUID,
    "vg_tags": "node1,dockyard.id=abc",
    "vg_exported": "",
    "vg_systemid": "",
    "vg_lock_type": "",
    "vg_clustered": "",
    "vg_autoactivation": "enabled",
    "vg_missing_pv_count": "0",
}
PV = {"pv_name": "/dev/loop0", "pv_uuid": PV_UUID, "pv_missing": "", "pv_duplicate": ""}
LV = {
    "lv_name": "lv0",
    "lv_uuid": LV_UUID,
    "lv_active": "active",
    "lv_tags": "",
    "lv_skip_activation": "",
    "origin": "",
    "pool_lv": "",
}
NO_DEVICE_MAPPER = """  /dev/mapper/control: open failed: No such device
  Failure to communicate with kernel device-mapper driver.
  Check that device-mapper is available in the kernel.
  Incompatible libdevmapper 1.02.185 (2022-05-18) and kernel driver (unknown version).
"""
DUPLICATE = """  WARNING: Not using device /dev/loop2 for PV %s.
  WARNING: PV %s prefers device /dev/loop0 because device name matches previous.
""" % (PV_UUID, PV_UUID)
MISSING = """  WARNING: Couldn't find device with uuid jtTYlt-IgbV-xJ4T-LKxr-SjN3-U1RP-SUMPjP.
  WARNING: VG vg1 is missing PV jtTYlt-IgbV-xJ4T-LKxr-SjN3-U1RP-SUMPjP (last written to /dev/loop1).
"""
OUTDATED = """  WARNING: ignoring metadata seqno 7 on /dev/loop1 for seqno 9 on /dev/loop0 for VG vg1.
  WARNING: Inconsistent metadata found for VG vg1.
  See vgck --updatemetadata to correct inconsistency.
"""
SAME_NAME = (
    """  WARNING: VG name vg1 is used by VGs oRpiT7-JKo7-0TX2-I0QP-DnhM-RGNY-Ku22UC and %s.
  Fix duplicate VG names with vgrename uuid, a device filter, or system IDs.
"""
    % VG_UUID
)


def report(*groups, orphans=()):
    parts = [{"vg": [vg], "pv": pvs, "lv": lvs, "pvseg": [{"pvseg_start": "0"}], "seg": []} for vg, pvs, lvs in groups]
    return json.dumps({"report": parts + [{"pv": [orphan], "pvseg": []} for orphan in orphans]})


def one(vg=None, pv=None, lv=None, stderr=""):
    text = report(({**VG, **(vg or {})}, [{**PV, **(pv or {})}], [{**LV, **(lv or {})}]))
    (group,) = lvm.parse(text, stderr)
    return group


def test_a_group():
    group = one()
    assert (group.name, group.uuid, group.tags) == ("vg1", VG_UUID, ("node1", "dockyard.id=abc"))
    assert group.disks == (lvm.PhysicalVolume("/dev/loop0", PV_UUID),)
    assert group.volumes == (lvm.LogicalVolume("lv0", LV_UUID, True),)
    assert (group.autoactivation, group.exported, group.missing, group.lock_type) == (True, False, 0, "")
    assert (group.active, group.inactive, group.complaints) == (["lv0"], [], ())


@pytest.mark.parametrize(
    ("vg", "field", "expected"),
    [
        ({"vg_tags": ""}, "tags", ()),
        ({"vg_exported": "exported"}, "exported", True),
        ({"vg_autoactivation": ""}, "autoactivation", False),
        ({"vg_missing_pv_count": "2"}, "missing", 2),
        ({"vg_lock_type": "none"}, "lock_type", ""),
        ({"vg_lock_type": "sanlock"}, "lock_type", "sanlock"),
        ({"vg_clustered": "clustered"}, "lock_type", "clvm"),
        ({"vg_systemid": "hosta"}, "system_id", "hosta"),
    ],
)
def test_fields_of_a_group(vg, field, expected):
    assert getattr(one(vg), field) == expected


@pytest.mark.parametrize(
    ("lv", "active", "inactive"),
    [
        ({"lv_active": ""}, [], ["lv0"]),
        ({"lv_active": "", "lv_skip_activation": "skip activation"}, [], []),
        ({"lv_active": "local exclusive"}, ["lv0"], []),
    ],
)
def test_what_is_active(lv, active, inactive):
    group = one(lv=lv)
    assert (group.active, group.inactive) == (active, inactive)


def test_a_volume_that_needs_others():
    assert one(lv={"origin": "[data]", "pool_lv": "pool"}).volumes[0].below == ("data", "pool")


@pytest.mark.parametrize(
    ("stderr", "clones", "complaints"),
    [
        (NO_DEVICE_MAPPER, (), 0),
        (DUPLICATE, ("/dev/loop2",), 2),
        (DUPLICATE.replace(PV_UUID, "another"), (), 1),
        (MISSING, (), 1),
        (OUTDATED, (), 2),
        (OUTDATED.replace("vg1", "vg10").replace("/dev/loop0", "/dev/loop00"), (), 0),
        (SAME_NAME, (), 0),
        ("  WARNING: Device /dev/loop0 has size of 1 sectors which is smaller than corresponding PV size.\n", (), 1),
    ],
)
def test_warnings_that_are_about_the_group(stderr, clones, complaints):
    group = one(stderr=stderr)
    assert group.clones == clones
    assert len(group.complaints) == complaints, group.complaints


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "{}",
        '{"report": null}',
        '{"report": [{"vg": [{}], "pv": [], "lv": []}]}',
        report((VG, [{}], [])),
        report((VG, [PV], [{}])),
        report((VG, [PV], [{**LV, "lv_active": "unknown"}])),
        report(({**VG, "vg_missing_pv_count": ""}, [PV], [])),
    ],
)
def test_what_is_not_understood_is_undetermined(text):
    with pytest.raises(Undetermined):
        lvm.parse(text, "")


def test_disks_without_a_group_are_no_group():
    assert lvm.parse(report(orphans=[PV]), "") == []
    assert [group.name for group in lvm.parse(report((VG, [PV], []), orphans=[PV]), "")] == ["vg1"]


@pytest.fixture
def node(monkeypatch):
    """A node whose LVM and kernel say what the test wants."""

    def make(answer, mapped=()):
        def execute(argv, deadline):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(lvm, "execute", execute)
        monkeypatch.setattr(lvm, "mapped", lambda: list(mapped))

    return make


def test_find(node):
    node(Result(0, report((VG, [PV], [LV])), NO_DEVICE_MAPPER))
    assert lvm.find("vg1").name == "vg1"
    assert lvm.find("vg2") is None


@pytest.mark.parametrize(
    "answer",
    [
        Result(5, report(), "  Volume group lock failed"),
        CommandFailed(["lvm"], None, "", "", "lvm was not done after 15 s"),
        CommandFailed(["lvm"], None, "", "", "lvm is not installed on this node"),
        Result(0, "", ""),
        Result(0, report((VG, [PV], []), ({**VG, "vg_uuid": "other"}, [PV], [])), SAME_NAME),
    ],
)
def test_what_cannot_be_told(node, answer):
    node(answer)
    with pytest.raises(Undetermined):
        lvm.find("vg1")


def test_a_group_that_is_not_reported_while_it_is_active(node):
    node(Result(0, report()), [lvm.Mapped("vg--1-lv0", (253, 0), "x" * 64), lvm.Mapped("vg2-lv0", (253, 1), "")])
    assert lvm.find("vg") is None, "vg--1 is the group vg-1"
    assert lvm.find("vg2") is None, "no device of LVM"
    with pytest.raises(Undetermined, match="volumes of it are active: vg--1-lv0"):
        lvm.find("vg-1")


def test_a_kernel_that_contradicts(node):
    kernel = lvm.Mapped("vg1-lv0", (253, 0), KERNEL_NAME[4:])
    node(Result(0, report((VG, [PV], [LV]))), [kernel])
    assert lvm.find("vg1").active == ["lv0"]
    node(Result(0, report((VG, [PV], [{**LV, "lv_active": ""}])), NO_DEVICE_MAPPER), [kernel])
    with pytest.raises(Undetermined, match="the kernel says that it is"):
        lvm.find("vg1")


def test_active_devices_in_sysfs(tmp_path, monkeypatch):
    for index, (name, uuid) in enumerate(
        [("vg1-lv0", KERNEL_NAME), ("vg1-lv0-real", KERNEL_NAME + "-real"), ("crypt", "CRYPT-LUKS2-1")]
    ):
        folder = tmp_path / ("dm-%d" % index)
        (folder / "dm").mkdir(parents=True)
        (folder / "dm/name").write_text(name + "\n")
        (folder / "dm/uuid").write_text(uuid + "\n")
        (folder / "dev").write_text("253:%d\n" % index)
    (tmp_path / "sda").mkdir()
    (tmp_path / "dm-9").mkdir()
    with pytest.raises(Undetermined):
        lvm.mapped(str(tmp_path / "nothing"))
    found = lvm.mapped(str(tmp_path))
    assert [(device.name, device.number) for device in found] == [
        ("vg1-lv0", (253, 0)),
        ("vg1-lv0-real", (253, 1)),
        ("crypt", (253, 2)),
    ]
    monkeypatch.setattr(lvm, "mapped", lambda: found)
    assert [device.name for device in lvm.devices_of(one())] == ["vg1-lv0", "vg1-lv0-real"]
    assert [device.name for device in lvm.devices_of(one(), "lv0")] == ["vg1-lv0", "vg1-lv0-real"]
    assert lvm.devices_of(one(), "other") == []


def test_a_system_id_is_ours_when_lvm_shows_the_group_without_being_asked_for_those_of_others(node):
    rows = {"report": [{"vg": [{"vg_uuid": VG_UUID}]}]}
    node(Result(0, json.dumps(rows)))
    assert lvm.accessible(one({"vg_systemid": "hosta"}))
    node(Result(0, json.dumps({"report": [{"vg": []}]})))
    assert not lvm.accessible(one({"vg_systemid": "hosta"}))
    assert lvm.accessible(one())


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda c: c.add_tag("vg1", "node1"), "vgchange --addtag @node1 vg1"),
        (lambda c: c.delete_tag("vg1", "node1"), "vgchange --deltag @node1 vg1"),
        (lambda c: c.forbid_autoactivation("vg1"), "vgchange --setautoactivation n vg1"),
        (lambda c: c.activate("vg1"), "vgchange --activate y vg1"),
        (lambda c: c.deactivate("vg1"), "vgchange --activate n vg1"),
        (lambda c: c.activate_volumes("vg1", ["a", "b"]), "lvchange --activate y vg1/a vg1/b"),
        (lambda c: c.deactivate_volumes("vg1", ["a"]), "lvchange --activate n vg1/a"),
        (
            lambda c: c.create_group("vg1", ["/dev/sdb"], "t=1", True, ["--physicalextentsize", "8m"]),
            "vgcreate --addtag @t=1 --setautoactivation n --physicalextentsize 8m vg1 /dev/sdb",
        ),
        (lambda c: c.create_group("vg1", ["/dev/sdb"], "t=1", False, []), "vgcreate --addtag @t=1 vg1 /dev/sdb"),
        (
            lambda c: c.create_volume("vg1", "a", "1048576", "t=1"),
            "lvcreate --yes --wipesignatures y --zero y --addtag @t=1 --name a --size 1048576b vg1",
        ),
        (
            lambda c: c.create_volume("vg1", "a", "50%FREE", "t=1", ["--type", "thin-pool"]),
            "lvcreate --yes --addtag @t=1 --type thin-pool --name a --extents 50%FREE vg1",
        ),
        (lambda c: c.remove_volume("vg1", "a"), "lvremove --yes vg1/a"),
        (lambda c: c.remove_group("vg1"), "vgremove vg1"),
        (lambda c: c.forget_disks(["/dev/sdb", "/dev/sdc"]), "pvremove /dev/sdb /dev/sdc"),
    ],
)
def test_commands_that_change(call, expected):
    journal = Journal("svc1")
    call(Changes(Runner(journal, check_mode=True), "disk#0"))
    assert [command["cmd"] for command in journal.commands()] == [expected]


@pytest.mark.parametrize(
    ("group", "volume", "expected"),
    [
        ("vg1", "lv0", ("/dev/vg1/lv0", "/dev/mapper/vg1-lv0")),
        ("vg-app", "lv-1", ("/dev/vg-app/lv-1", "/dev/mapper/vg--app-lv--1")),
    ],
)
def test_paths(group, volume, expected):
    assert lvm.paths(group, volume) == expected


@pytest.mark.parametrize(
    ("group", "path", "expected"),
    [
        ("vg", "/dev/vg/data", True),
        ("vg", "/dev/mapper/vg-data", True),
        ("vg", "/dev/mapper/vg--data-x", False),
        ("vg-data", "/dev/mapper/vg--data-x", True),
        ("vg-data", "/dev/mapper/vg-data", False),
        ("vg", "/dev/vg2/data", False),
    ],
)
def test_patterns(group, path, expected):
    assert any(fnmatchcase(path, pattern) for pattern in lvm.patterns(group)) is expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], False),
        (["-an"], True),
        (["-a", "n"], True),
        (["--activate=n"], True),
        (["--activate", "n", "--type", "raid1"], True),
        (["--activate", "y", "-Zn"], False),
    ],
)
def test_whether_a_new_volume_is_active(options, expected):
    assert leaves_inactive(options) is expected
