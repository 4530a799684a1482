# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of actions, who may refuse, and what is taken back: the engine with resources that only keep a diary."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.base import DOWN, UNDEF, UP, Driver, Remark, Status
from ansible_collections.dockyard.svc.plugins.module_utils.engine.actions import Actions
from ansible_collections.dockyard.svc.plugins.module_utils.engine.steps import ActionFailed
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import NodeError, Undetermined
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal
from ansible_collections.dockyard.svc.plugins.module_utils.node.outlook import Outlook

SERVICE = {
    "ip#1": {"ipname": "192.0.2.1", "ipdev": "eth0"},
    "disk#1": {"type": "vg", "name": "vgapp"},
    "fs#1": {"type": "ext4", "dev": "/dev/vgapp/data", "mnt": "/srv/app/data"},
    "fs#2": {"type": "ext4", "dev": "/dev/mapper/vgapp-root", "mnt": "/srv/app"},
    "fs#10": {"type": "tmpfs", "mnt": "/srv/app10"},
}
ORDER = ["ip#1", "disk#1", "fs#2", "fs#1", "fs#10"]


class Diary(Driver):
    """A resource that writes down what is done to it. `trouble` holds the verbs that fail."""

    def __init__(self, definition, world):
        super().__init__(definition, None, world.machine, None)
        self.world = world

    def label(self):
        return self.rid

    def _note(self, verb):
        if "%s %s" % (verb, self.rid) in self.world.trouble:
            raise NodeError("%s cannot" % self.rid)
        self.world.diary.append("%s %s" % (verb, self.rid))

    def status(self):
        if "status " + self.rid in self.world.trouble:
            raise Undetermined("not to be told")
        return Status(self.world.states[self.rid], self.rid)

    def provides(self):
        if self.rid == "disk#1":
            return ("/dev/vgapp/*", "/dev/mapper/vgapp-*")
        return (self.values["mnt"],) if "mnt" in self.values else ()

    def needs(self):
        if "mnt" not in self.values:
            return ()
        parent = self.values["mnt"].rpartition("/")[0]
        return tuple(path for path in (self.values["dev"], parent) if path)

    def check_start(self):
        self._note("check")

    def start(self):
        return self._become(UP, "start")

    def stop(self):
        return self._become(DOWN, "stop")

    def provision(self):
        self._note("provision")
        return True

    def unprovision(self):
        self._note("unprovision")
        return True

    def evidence(self):
        self._note("prove")
        return {"diary": "it says so"}

    def _become(self, state, verb):
        if self.world.states[self.rid] == state:
            return False
        self._note(verb)
        self.world.states[self.rid] = state
        self.way_back.append(lambda: self._become(DOWN, "undo"))
        return True


class World:
    """A node with one service of such resources."""

    def __init__(self, trouble=(), up=(), **changes):
        raw = {rid: {**section, **changes.get(rid.replace("#", ""), {})} for rid, section in SERVICE.items()}
        self.definition = parse("app", {**raw, **changes.get("default", {})}, "n1")
        self.trouble, self.diary = set(trouble), []
        self.states = {resource.rid: UP if resource.rid in up else DOWN for resource in self.definition.resources}
        self.machine = SimpleNamespace(outlook=Outlook())

    def act(self, verb, rids=tuple(ORDER)):
        drivers = [Diary(resource, self) for resource in self.definition.resources]
        run = SimpleNamespace(journal=Journal("app"), check_mode=False)
        daemon = SimpleNamespace()
        instance = SimpleNamespace(
            drivers=drivers, definition=self.definition, run=run, machine=self.machine, daemon=daemon
        )
        instance.state_of = self._state_of
        instance.forgotten = list
        instance.read = lambda: {driver.rid: self._state_of(driver) for driver in drivers}
        actions = Actions(instance, rids, instance.read())
        self.actions = actions
        getattr(actions, verb)()

    @staticmethod
    def _state_of(driver):
        try:
            return driver.status()
        except NodeError as error:
            return Status(UNDEF, driver.rid, [Remark("error", str(error))])

    def did(self, verb):
        return [line.partition(" ")[2] for line in self.diary if line.startswith(verb + " ")]


def test_a_start_goes_up_in_order_and_a_stop_the_other_way():
    world = World()
    world.act("start")
    assert world.did("start") == ORDER
    world.act("stop")
    assert world.did("stop") == world.did("prove") == ORDER[::-1]


def test_a_second_start_and_a_second_stop_do_nothing():
    world = World()
    for verb in ("start", "stop"):
        world.act(verb)
        world.diary.clear()
        world.act(verb)
        assert not world.actions.changed and not world.did(verb)


REFUSED = [
    ("start", ORDER, [], ["check disk#1"], "disk#1: disk#1 cannot"),
    ("start", ORDER, [], ["check fs#10"], "fs#10: fs#10 cannot"),
    ("start", ORDER, [], ["status fs#1"], "fs#1: its status cannot be told"),
    ("start", ["fs#2"], [], [], "fs#2: needs disk#1 (disk#1), which is down"),
    ("start", ["fs#1"], ["disk#1"], [], "fs#1: needs fs#2 (fs#2), which is down"),
    ("start", ["fs#2"], [], ["status disk#1"], "fs#2: needs disk#1 (disk#1), which is undef"),
    ("stop", ["disk#1"], ["disk#1", "fs#2"], [], "disk#1: fs#2 (fs#2) stands on it and is up"),
    ("stop", ["fs#2"], ["disk#1", "fs#1", "fs#2"], [], "fs#2: fs#1 (fs#1) stands on it and is up"),
    ("stop", ["fs#2"], ["disk#1", "fs#2"], ["status fs#1"], "fs#2: fs#1 (fs#1) stands on it and is undef"),
]


@pytest.mark.parametrize(("verb", "rids", "up", "trouble", "message"), REFUSED)
def test_what_cannot_work_is_refused_before_the_first_change(verb, rids, up, trouble, message):
    world = World(trouble, up)
    with pytest.raises(ActionFailed) as failure:
        world.act(verb, rids)
    assert str(failure.value).startswith(message)
    assert not world.did("start") and not world.did("stop")


ALLOWED = [
    ("start", ["fs#10"], [], ["fs#10"]),  # /srv/app10 is not below /srv/app
    ("start", ["disk#1", "fs#2"], [], ["disk#1", "fs#2"]),
    ("stop", ["fs#10"], ORDER, ["fs#10"]),
    ("stop", ["ip#1"], ORDER, ["ip#1"]),
    ("stop", ["disk#1", "fs#1", "fs#2"], ORDER, ["fs#1", "fs#2", "disk#1"]),
]


@pytest.mark.parametrize(("verb", "rids", "up", "done"), ALLOWED)
def test_a_part_of_a_service_is_started_and_stopped_alone(verb, rids, up, done):
    world = World(up=up)
    world.act(verb, rids)
    assert world.did(verb) == done


def test_a_failed_start_takes_back_what_it_changed_and_nothing_else():
    world = World(["start fs#1"], up=["ip#1"])
    with pytest.raises(ActionFailed, match=r"fs#1 cannot; taken back: fs#2, disk#1$"):
        world.act("start")
    assert world.did("undo") == ["fs#2", "disk#1"]
    assert world.states["ip#1"] == UP


def test_rollback_can_be_switched_off():
    world = World(["start fs#1"], default={"rollback": False})
    with pytest.raises(ActionFailed, match="rollback is false"):
        world.act("start")
    assert not world.did("undo")


def test_a_stop_goes_no_further_down_than_to_its_first_failure():
    world = World(["stop fs#2"], up=ORDER)
    with pytest.raises(ActionFailed, match="fs#2 cannot"):
        world.act("stop")
    assert world.did("stop") == ["fs#10", "fs#1"]
    assert world.states["disk#1"] == world.states["ip#1"] == UP


def test_the_failure_of_an_optional_resource_does_not_count():
    world = World(["start fs#10"], fs10={"optional": True})
    world.act("start")
    assert world.did("start") == ORDER[:-1]
    world = World(["check fs#10"], fs10={"optional": True})
    world.act("start")
    assert world.did("start") == ORDER[:-1]


def test_standby_resources_stay_up_and_disabled_ones_are_left_alone():
    world = World(up=ORDER, ip1={"standby": True}, fs10={"tags": "noaction"})
    world.act("stop")
    assert world.did("stop") == ["fs#1", "fs#2", "disk#1"]


REQUIRES = [
    (
        "start",
        ["fs#10"],
        [],
        {"start_requires": "ip#1"},
        "start_requires wants ip#1 to be up or stdby up, and it is down",
    ),
    ("start", ["fs#10"], ["ip#1"], {"start_requires": "ip#1"}, ""),
    ("start", ["ip#1", "fs#10"], [], {"start_requires": "ip#1"}, ""),
    ("start", ["fs#10"], ["ip#1"], {"start_requires": "ip#1(down)"}, "wants ip#1 to be down, and it is up"),
    ("stop", ["fs#10"], ["fs#10"], {"stop_requires": "ip#1(up)"}, "stop_requires wants ip#1 to be up, and it is down"),
    ("stop", ["fs#10"], ["ip#1", "fs#10"], {"stop_requires": "ip#1(up)"}, ""),
    ("provision", ["fs#10"], [], {"provision_requires": "ip#1"}, "provision_requires wants ip#1"),
]


@pytest.mark.parametrize(("verb", "rids", "up", "keywords", "message"), REQUIRES)
def test_requirements_hold_an_action_back(verb, rids, up, keywords, message):
    world = World(up=up, fs10=keywords)
    if not message:
        world.act(verb, rids)
        assert world.did(verb)
        return
    with pytest.raises(ActionFailed) as failure:
        world.act(verb, rids)
    assert message in str(failure.value)
    assert not world.did(verb)


def test_provision_starts_the_disks_that_others_stand_on_and_leaves_them_as_they_were():
    world = World()
    world.act("provision")
    assert world.did("provision") == ORDER
    assert world.did("start") == world.did("stop") == ["disk#1"]


def test_unprovision_goes_down_first_and_destroys_from_the_top():
    world = World(up=ORDER)
    world.act("unprovision")
    assert world.did("stop") == [*ORDER[::-1], "disk#1"]
    assert world.did("unprovision") == ORDER[::-1]
    last_stop = len(world.diary) - world.diary[::-1].index("stop disk#1") - 1
    assert world.diary.index("unprovision fs#2") < last_stop < world.diary.index("unprovision disk#1")
