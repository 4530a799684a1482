# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume groups with active volumes, on a model of LVM: the activation itself needs a device mapper."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import disk_vg, volume_group
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.disk_lv import LogicalVolumeDriver
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.disk_vg import VolumeGroup
from ansible_collections.dockyard.svc.plugins.module_utils.node import holders, lvm
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Result, Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import CommandFailed, NodeError, Undetermined
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal
from ansible_collections.dockyard.svc.plugins.module_utils.node.lvm import Group, LogicalVolume, Mapped, PhysicalVolume
from ansible_collections.dockyard.svc.plugins.module_utils.node.machine import Directories, Host, Machine


class Model(Runner):
    """A node with one volume group: it obeys vgchange and lvchange as LVM does, and counts them."""

    def __init__(self, active="", inactive="", tags=(), check_mode=False, **facts):
        super().__init__(Journal("svc1"), check_mode)
        volumes = [LogicalVolume(name, name, name in active.split()) for name in (active + " " + inactive).split()]
        self.group = Group(
            "vg1", "uuid", tuple(tags), (PhysicalVolume("/dev/sdb", "pv"),), tuple(sorted(volumes, key=str)), **facts
        )
        self.commands = []
        self.busy = {}  # by volume, how many more deactivations fail
        self.broken = set()  # volumes that cannot be activated

    def change(self, argv, deadline, rid="", environment=None, accept=(0,)):
        self.commands.append(" ".join(argv))
        words = list(argv)
        if self.check_mode:
            return Result(0)
        if words[1] == "--addtag":
            self.group = replace(self.group, tags=(*self.group.tags, words[2].lstrip("@")))
        elif words[1] == "--deltag":
            self.group = replace(self.group, tags=tuple(t for t in self.group.tags if "@" + t != words[2]))
        elif words[1] == "--setautoactivation":
            self.group = replace(self.group, autoactivation=False)
        else:
            names = [word.partition("/")[2] for word in words[3:]]
            self._switch(names if all(names) else [v.name for v in self.group.volumes], words[2] == "y")
        return Result(0)

    def _switch(self, names, wanted):
        failed = []
        volumes = []
        for volume in self.group.volumes:
            active = volume.active
            if volume.name in names and active != wanted:
                if wanted and volume.name in self.broken:
                    failed.append(volume.name)
                elif not wanted and self.busy.get(volume.name, 0):
                    self.busy[volume.name] -= 1
                    failed.append(volume.name)
                else:
                    active = wanted
            volumes.append(replace(volume, active=active))
        self.group = replace(self.group, volumes=tuple(volumes))
        if failed:
            raise CommandFailed(["vgchange"], 5, "", "Logical volume vg1/%s in use." % failed[0])

    @property
    def active(self):
        return " ".join(self.group.active)


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """A driver on a model."""

    def make(model, kind=VolumeGroup, nodes="node1 node2", **keywords):
        section = {"type": "vg", "name": "vg1", **keywords}
        if kind is LogicalVolumeDriver:
            section = {"type": "lv", "vg": "vg1", "name": "a", **keywords}
        service = parse_all({"svc1": {"nodes": nodes, "disk#1": section}}, "node1")["svc1"]
        directories = Directories(str(tmp_path / "state"), str(tmp_path / "run"), str(tmp_path / "log"))
        machine = Machine(Host(directories), model, "svc1", service.short_id)
        monkeypatch.setattr(machine.record, "_writable", False)
        monkeypatch.setattr(lvm, "find", lambda name: model.group)
        monkeypatch.setattr(
            lvm,
            "mapped",
            lambda: [Mapped("vg1-" + v.name, (253, 1), "uuid" + v.uuid) for v in model.group.volumes if v.active],
        )
        monkeypatch.setattr(holders, "of_device", lambda major, minor: list(model.holders))
        monkeypatch.setattr(disk_vg, "SETTLE", 0)
        monkeypatch.setattr(volume_group, "_PAUSE", 0)
        model.holders = []
        return kind(service.resources[0], service, machine, None)

    return make


@pytest.mark.parametrize(
    ("model", "state", "level", "text"),
    [
        (Model("a b", "", ["node1"]), "up", "", ""),
        (Model("", "", ["node1"]), "up", "", ""),
        (Model("a", "b", ["node1"]), "warn", "warn", "not active: b"),
        (Model("", "a b", ["node1"]), "warn", "warn", "no volume is active"),
        (Model("", "a b"), "down", "", ""),
        (Model("a", "b"), "warn", "error", "another node could take the group"),
        (Model("", "a", ["node2"]), "down", "info", "belongs to node node2"),
        (Model("a", "b", ["node2"]), "warn", "error", "active here, too: a"),
        (Model("a", "", ["node1", "node2"]), "warn", "error", "active here, too: a"),
        (Model("", "a", ["node1", "node2"]), "down", "error", "tags of two nodes"),
        (Model("a", "", ["node1", "x=y", "a_b"]), "up", "", ""),
        (Model("a", "", ["node1"], autoactivation=True), "up", "warn", "autoactivation is on"),
        (Model("a", "", ["node1"], missing=1), "up", "warn", "are missing"),
        (Model("a", "", ["node1"], clones=("/dev/sdc",)), "up", "warn", "there twice: /dev/sdc"),
        (Model("a", "", ["node1"], complaints=("WARNING: x",)), "up", "warn", "LVM complains: WARNING: x"),
        (Model("", "a", exported=True), "down", "info", "is exported"),
        (Model("", "a", lock_type="sanlock"), "down", "info", "sanlock"),
    ],
)
def test_status(driver, model, state, level, text):
    status = driver(model).status()
    assert status.state == state
    assert [remark.level for remark in status.remarks] == ([level] if level else [])
    assert all(text in remark.text for remark in status.remarks)
    assert model.commands == []


def test_autoactivation_is_the_nodes_own_business_where_no_other_sees_the_disks(driver):
    model = Model("a", "", ["node1"], autoactivation=True)
    assert driver(model, nodes="node1").status().remarks == []
    assert not driver(model, nodes="node1").start()
    assert driver(model, nodes="node1", shared=True).start()


@pytest.mark.parametrize(
    ("model", "commands"),
    [
        (Model("a b", "", ["node1"]), []),
        (Model("", "a b"), ["vgchange --addtag @node1 vg1", "vgchange --activate y vg1"]),
        (
            Model("", "a b", autoactivation=True),
            [
                "vgchange --setautoactivation n vg1",
                "vgchange --addtag @node1 vg1",
                "vgchange --activate y vg1",
            ],
        ),
        (Model("a", "b", ["node1"]), ["vgchange --activate y vg1"]),
        (Model("a b"), ["vgchange --addtag @node1 vg1"]),
    ],
)
def test_start_does_what_is_left_to_do(driver, model, commands):
    started = driver(model)
    assert started.start() is bool(commands)
    assert model.commands == commands
    assert started.status().state == "up"
    assert not driver(model).start()


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Model("", "a", ["node2"]), "has the tag @node2"),
        (Model("", "a", ["prod"]), "list it in known_tags"),
        (Model("a", "", ["node1", "node2"]), "has the tag @node2"),
        (Model("", "a", missing=1), "are missing"),
        (Model("", "a", clones=("/dev/sdc",)), "there twice"),
        (Model("", "a", exported=True), "is exported"),
        (Model("", "a", lock_type="dlm"), "lock manager"),
        (Model("", "a", complaints=("WARNING: x",)), "WARNING: x"),
    ],
)
def test_start_is_refused(driver, model, text):
    refused = driver(model)
    with pytest.raises(NodeError, match=text):
        refused.check_start()
    with pytest.raises(NodeError, match=text):
        refused.start()
    assert model.commands == []


def test_a_failed_start_takes_back_its_own_changes_alone(driver):
    model = Model("a", "b c", ["node1"])
    model.broken = {"c"}
    with pytest.raises(NodeError, match="in use"):
        driver(model).start()
    assert model.commands == ["vgchange --activate y vg1", "lvchange --activate n vg1/b"]
    assert (model.active, model.group.tags) == ("a", ("node1",))

    model = Model("", "a b")
    model.broken = {"b"}
    with pytest.raises(NodeError):
        driver(model).start()
    assert model.commands[2:] == ["vgchange --activate n vg1", "vgchange --deltag @node1 vg1"]
    assert (model.active, model.group.tags) == ("", ())


def test_the_tag_stays_when_the_volumes_cannot_be_let_go(driver):
    model = Model("", "a b")
    started = driver(model)
    started.start()
    model.busy = {"a": 99}
    model.holders = ["mounted on /srv"]
    with pytest.raises(NodeError, match="vg1/a: mounted on /srv"):
        started.undo_start()
    assert model.group.tags == ("node1",)


def test_undo_also_deactivates_what_was_made_meanwhile(driver):
    model = Model("", "a")
    started = driver(model)
    started.start()
    model.group = replace(model.group, volumes=(*model.group.volumes, LogicalVolume("new", "new", True)))
    started.undo_start()
    assert (model.active, model.group.tags) == ("", ())


@pytest.mark.parametrize(
    ("model", "commands"),
    [
        (Model("a b", "", ["node1"]), ["vgchange --activate n vg1", "vgchange --deltag @node1 vg1"]),
        (Model("a", "b", ["node1"]), ["vgchange --activate n vg1", "vgchange --deltag @node1 vg1"]),
        (Model("", "a b", ["node1"]), ["vgchange --deltag @node1 vg1"]),
        (Model("a", "b"), ["vgchange --activate n vg1"]),
        (Model("a", "", ["node2"]), ["vgchange --activate n vg1"]),
        (Model("", "a", ["node2"]), []),
        (Model("", "a"), []),
    ],
)
def test_stop_from_every_half_way_state(driver, model, commands):
    stopped = driver(model)
    assert stopped.stop() is bool(commands)
    assert model.commands == commands
    assert "owner tag" in stopped.evidence()
    assert not driver(model).stop()


def test_stop_waits_for_who_has_a_volume_open_for_a_moment(driver):
    model = Model("a", "", ["node1"])
    model.busy = {"a": 2}
    driver(model).stop()
    assert model.commands == ["vgchange --activate n vg1"] * 3 + ["vgchange --deltag @node1 vg1"]


@pytest.mark.parametrize(("holders_found", "tries"), [(["mounted on /srv/data"], 1), ([], 4)])
def test_stop_names_the_holders_and_keeps_the_tag(driver, holders_found, tries):
    model = Model("a b", "", ["node1"])
    model.busy = {"b": 99}
    stopped = driver(model)
    model.holders = holders_found
    with pytest.raises(NodeError, match="mounted on /srv/data" if holders_found else "nobody can be named"):
        stopped.stop()
    assert model.commands == ["vgchange --activate n vg1"] * tries
    assert (model.active, model.group.tags) == ("b", ("node1",))
    with pytest.raises(NodeError, match="are active"):
        stopped.evidence()


def test_stop_writes_no_metadata_without_all_disks(driver):
    model = Model("a", "", ["node1"], missing=1)
    with pytest.raises(NodeError, match="the tag @node1 stays"):
        driver(model).stop()
    assert model.commands == ["vgchange --activate n vg1"]


def test_a_group_that_was_started_here_and_is_not_seen_is_undetermined(driver):
    model = Model("a", "", ["node1"])
    seen = driver(model)
    seen._start(model.group)
    model.group = None
    for verb in (seen.status, seen.check_start, seen.start, seen.stop, seen.evidence, seen.provision):
        with pytest.raises(Undetermined, match="never stopped"):
            verb()
    assert not seen.unprovision()
    assert seen.status().state == "down"


@pytest.mark.parametrize(
    ("tags", "foreign"),
    [
        (["node1"], []),
        (["node2"], ["node2"]),
        (["NODE1"], ["NODE1"]),
        (["a_b", "a=b", "a/b", "a!b", "a:b", "a&b", "a#b"], []),
        (["prod", "db.example.com", "a+b"], ["db.example.com", "a+b"]),
        (["my_node"], ["my_node"]),
    ],
)
def test_which_tags_are_other_nodes(driver, tags, foreign):
    vg = driver(Model("", "", tags), nodes="node1 node2 my_node", known_tags="prod node2")
    assert volume_group.foreign_owners(Group("vg1", "", tuple(tags)), vg.service) == foreign


@pytest.mark.parametrize("verbs", ["start", "stop", "stop start", "start stop", "start start", "stop stop"])
@pytest.mark.parametrize("tags", [(), ("node1",), ("node2",)])
@pytest.mark.parametrize(("active", "inactive"), [("a b", ""), ("a", "b"), ("", "a b"), ("", "")])
@pytest.mark.parametrize("autoactivation", [False, True])
def test_check_mode_foretells(driver, verbs, tags, active, inactive, autoactivation):
    """The same commands, results and refusals as the real run, and no change."""
    outcomes = []
    for check_mode in (True, False):
        model = Model(active, inactive, tags, check_mode, autoactivation=autoactivation)
        before = model.group
        one = driver(model)
        results = []
        for verb in verbs.split():
            try:
                results.append(getattr(one, verb)())
            except NodeError as error:
                results.append(str(error))
        outcomes.append((model.commands, results))
        assert not check_mode or model.group == before
    assert outcomes[0] == outcomes[1]


# Logical volumes


@pytest.mark.parametrize(
    ("model", "state", "levels"),
    [
        (Model("a", "b"), "up", []),
        (Model("b", "a"), "down", []),
        (Model("b"), "down", ["info"]),
        (Model("a", "", ["node2"]), "warn", ["error"]),
        (Model("", "a", ["node2"]), "down", ["info"]),
    ],
)
def test_status_of_a_volume(driver, model, state, levels):
    status = driver(model, LogicalVolumeDriver).status()
    assert status.state == state
    assert [remark.level for remark in status.remarks] == levels


def test_life_of_a_volume(driver):
    model = Model("b", "a c")
    volume = driver(model, LogicalVolumeDriver)
    assert volume.start()
    assert not driver(model, LogicalVolumeDriver).start()
    assert model.active == "a b"
    with pytest.raises(NodeError, match="vg1/a is active"):
        volume.evidence()
    assert volume.stop()
    assert not volume.stop()
    assert volume.evidence() == {"volume": "vg1/a is not active"}
    assert model.commands == ["lvchange --activate y vg1/a", "lvchange --activate n vg1/a"]


@pytest.mark.parametrize("volumes", ["a", "a b", "a b c"])
@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("verbs", ["start", "stop", "stop start", "start stop"])
def test_check_mode_of_a_group_with_its_volumes(driver, volumes, active, verbs):
    """Each driver knows what the others would have done before it: the same commands as the real run."""
    noted = []
    for check_mode in (True, False):
        model = Model(volumes * active, volumes * (not active), ["node1"] * active, check_mode)
        drivers = [
            driver(model),
            *(driver(model, LogicalVolumeDriver, name=name) for name in ("a", "b") if name in volumes),
        ]
        for one in drivers:
            one.machine = drivers[0].machine
        for verb in verbs.split():
            for one in drivers if verb == "start" else reversed(drivers):
                getattr(one, verb)()
        noted.append(model.commands)
    assert noted[0] == noted[1]


def test_a_volume_in_use_is_not_let_go(driver):
    model = Model("a")
    model.busy = {"a": 99}
    volume = driver(model, LogicalVolumeDriver)
    model.holders = ["the node swaps to /dev/vg1/a"]
    with pytest.raises(NodeError, match="swaps to"):
        volume.stop()


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Model("", "a", ["node2"]), "has the tag @node2"),
        (Model("", "b"), "there is no volume vg1/a"),
        (Model("", "a", missing=1), "are missing"),
    ],
)
def test_start_of_a_volume_is_refused(driver, model, text):
    with pytest.raises(NodeError, match=text):
        driver(model, LogicalVolumeDriver).start()
    assert model.commands == []


def test_a_volume_with_snapshots_is_not_removed(driver):
    model = Model("", "a")
    volume = driver(model, LogicalVolumeDriver)
    mark = volume_group.mark(volume.service)
    snapshot = LogicalVolume("snap", "snap", False, below=("a",))
    volumes = (replace(model.group.volumes[0], tags=(mark,)), snapshot)
    model.group = replace(model.group, volumes=volumes)
    with pytest.raises(NodeError, match="other volumes depend on vg1/a: snap"):
        volume.unprovision()
    assert model.commands == []
