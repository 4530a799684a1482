# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A volume group of a service. It is up when it has the tag of this node and all its volumes are active.

The tag comes before the activation and goes after the deactivation, so that whatever happens between, a group with active
volumes has the tag. The uuid of a group that was tagged here is recorded: LVM does not tell an unreadable group from none.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Dict, List, Optional, Sequence, Set, Tuple

from ..definition.model import Definition, ResourceDefinition
from ..definition.volumes import node_refusal
from ..node import lvm
from ..node.errors import NodeError, Undetermined
from ..node.lvm import Group, LogicalVolume
from ..node.lvm_changes import Changes
from ..node.machine import Machine
from . import volume_group
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status
from .volume_disks import VolumeDisks

SETTLE = 0.5
"""How long, in seconds, after writing its tag a node waits before it looks whether another one did the same."""


class VolumeGroup(Driver):
    """The resource `disk#N` of type vg."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self.name: str = self.values["name"]
        self.node = service.node
        self.shared = bool(service.failover if self.values["shared"] is None else self.values["shared"])
        self._check_mode = machine.run.check_mode
        self._changes = Changes(machine.run, self.rid)
        self._disks = VolumeDisks(self.values["pvs"] or (), machine)
        self._proof: Dict[str, str] = {}

    def label(self) -> str:
        return "vg %s" % self.name

    def provides(self) -> Tuple[str, ...]:
        return lvm.patterns(self.name)

    def needs(self) -> Tuple[str, ...]:
        return tuple(self.values["pvs"] or ())

    # Reading

    def status(self) -> Status:
        group = self._find()
        status = Status(DOWN, self.label())
        if group is None:
            status.remarks.append(Remark("info", "there is no volume group %s" % self.name))
            return status
        foreign = volume_group.foreign_owners(group, self.service)
        status.facts = {"uuid": group.uuid, "tags": list(group.tags), "active": group.active}
        if foreign:
            self._status_of_foreign(status, group, foreign)
        elif self._is_ours(group):
            self._status_of_ours(status, group)
        elif group.active:
            status.state = WARN
            text = "volumes are active (%s) without the tag @%s: another node could take the group"
            status.remarks.append(Remark("error", text % (", ".join(group.active), self.node)))
        self._remark_on(status, group)
        return status

    def _status_of_foreign(self, status: Status, group: Group, foreign: List[str]) -> None:
        names = " and ".join(foreign)
        if group.active:
            status.state = WARN
            text = "belongs to node %s, but volumes are active here, too: %s" % (names, ", ".join(group.active))
            status.remarks.append(Remark("error", text))
        elif self._is_ours(group):
            text = "has the tags of two nodes, %s and %s: whose it is cannot be told" % (self.node, names)
            status.remarks.append(Remark("error", text))
        else:
            status.remarks.append(Remark("info", "belongs to node %s" % names))

    def _status_of_ours(self, status: Status, group: Group) -> None:
        status.state = WARN if group.inactive else UP
        if group.inactive and not group.active:
            status.remarks.append(Remark("warn", "has the tag of this node, but no volume is active"))
        elif group.inactive:
            status.remarks.append(Remark("warn", "volumes that are not active: %s" % ", ".join(group.inactive)))

    def _remark_on(self, status: Status, group: Group) -> None:
        if self.shared and group.autoactivation:
            text = (
                "autoactivation is on: a node that boots would activate the group beside another; a start turns it off"
            )
            status.remarks.append(Remark("warn", text))
        if group.missing:
            status.remarks.append(Remark("warn", volume_group.missing(group)))
        elif group.clones:
            status.remarks.append(Remark("warn", "its disks are there twice: %s" % ", ".join(group.clones)))
        elif group.complaints:
            status.remarks.append(Remark("warn", "LVM complains: %s" % " | ".join(group.complaints)))
        for wrong, text in (
            (group.exported, "is exported"),
            (group.lock_type, "is shared by a lock manager of LVM (%s)" % group.lock_type),
            (group.system_id, "has the system id %s" % group.system_id),
        ):
            if wrong:
                status.remarks.append(Remark("info", text))

    def _find(self) -> Optional[Group]:
        """The group, None when there is none. Raises Undetermined for one that was started here and is not seen any more."""
        group = volume_group.find(self.machine, self.name)
        if group is None and self._recorded():
            raise Undetermined(
                "%s; it was started here and never stopped. Bring its disks back, or, when it was removed for good, "
                "unprovision %s" % (volume_group.absence(self.name), self.rid)
            )
        return group

    def _imagine(self, group: Group, **facts: object) -> None:
        """In check mode, take for granted what a command would have done."""
        volume_group.imagine(self.machine, replace(group, **facts))  # type: ignore[arg-type]

    def _unseen(self, volumes: Sequence[str]) -> Group:
        """In check mode: a group that will be seen once the disks that carry it are attached, as far as it can be foretold."""
        mark = (volume_group.mark(self.service),)
        return Group(self.name, "", mark, volumes=tuple(LogicalVolume(name, "", False, mark) for name in volumes))

    def _recorded(self) -> object:
        return self.machine.record.get("groups", self.rid)

    def _refuse_of_others(self, group: Optional[Group]) -> None:
        """Raise NodeError when another service of this node has activated the group."""
        if group and (group.active or self._is_ours(group)):
            self.refuse_of_others(_claim_on(group), "the volume group %s was activated" % self.name)

    def _is_ours(self, group: Group) -> bool:
        return self.node in group.tags

    # Starting

    def check_start(self) -> None:
        group = self._find()
        if group is None and self._comes_later():
            return
        self._refuse_of_others(group)
        self._usable(group)

    def _comes_later(self) -> bool:
        """Whether this run brings the disks on which the group may be found."""
        outlook = self.machine.outlook
        return any(outlook.expects(path) or outlook.device(path) for path in self.needs())

    def _usable(self, group: Optional[Group]) -> Group:
        """The group. Raises NodeError when it must not be activated here."""
        reason = node_refusal(self.node, self.shared)
        if reason:
            raise NodeError(reason)
        if group is None:
            raise NodeError(volume_group.absence(self.name))
        reason = volume_group.refusal(group, self.service)
        if reason:
            raise NodeError(reason)
        return group

    def start(self) -> bool:
        group = self._find()
        if group is None and self._check_mode and self._comes_later():
            group = self._unseen([other.values["name"] for other in self._volumes()] or ["*"])
        self._refuse_of_others(group)
        if group and self._is_up(group) and not (self.shared and group.autoactivation):
            self._remember(group)
            return False
        group = self._usable(group)
        try:
            self._start(group)
        except NodeError:
            self.undo_start()
            raise
        return True

    def _is_up(self, group: Group) -> bool:
        foreign = volume_group.foreign_owners(group, self.service)
        return self._is_ours(group) and not foreign and not group.inactive

    def _start(self, group: Group) -> None:
        if self.shared and group.autoactivation:
            self._changes.forbid_autoactivation(self.name)
        self._remember(group)
        before = set(group.active)
        if not self._is_ours(group):
            self.way_back.append(self._untag)
            self._changes.add_tag(self.name, self.node)
        self._imagine(group, tags=(*group.tags, self.node), autoactivation=group.autoactivation and not self.shared)
        if not self._is_ours(group):
            self._verify_sole_owner()
        self.way_back.append(lambda: self._deactivate_new(before))
        if group.inactive:
            self._changes.activate(self.name)
        if self._check_mode:
            self._imagine(volume_group.switched(self._find() or group, True))
            self.imagined = UP
        self._verify_up()

    def _remember(self, group: Group) -> None:
        if not self._check_mode:
            self.machine.record.put("groups", self.rid, group.uuid)
            self.claim(_claim_on(group))

    def _verify_sole_owner(self) -> None:
        """Two nodes may have read the group without a tag at the same moment. Only one that then stands alone goes on."""
        if self.shared and not self._check_mode:
            time.sleep(SETTLE)
        group = self._find()
        foreign = volume_group.foreign_owners(group, self.service) if group else []
        if group is None or foreign or not self._is_ours(group):
            raise NodeError(
                "another node has taken the volume group %s at the same moment (%s)"
                % (self.name, ", ".join(foreign) or "the tag of this node is gone")
            )

    def _verify_up(self) -> None:
        group = self._find()
        if group is None or not self._is_up(group):
            left = ", ".join(group.inactive) if group else "all"
            raise NodeError(
                "volumes of %s are not active after 'vgchange --activate y': %s; see activation/volume_list in lvm.conf"
                % (self.name, left)
            )

    def _deactivate_new(self, before: Set[str]) -> None:
        """Deactivate what is active and was not before; that is also what was made since."""
        group = self._find()
        new = [name for name in group.active if name not in before] if group else []
        if group and new:
            volume_group.deactivate(self.machine, self._changes, group, new if before else None)

    def _untag(self) -> None:
        group = self._find()
        if group and self._is_ours(group):
            self._changes.delete_tag(self.name, self.node)
            self._imagine(group, tags=tuple(tag for tag in group.tags if tag != self.node))
        if self._check_mode:
            self.imagined = DOWN
        else:
            self.machine.record.put("groups", self.rid, None)
            self.disclaim(_claim_on(group) if group else "")

    # Stopping

    def stop(self) -> bool:
        group = self._find()
        if group is None:
            return False
        self._refuse_of_others(group)
        changed = bool(group.active) or self._is_ours(group)
        if group.active:
            volume_group.deactivate(self.machine, self._changes, group)
        if group.missing and self._is_ours(group):
            raise NodeError(
                "the tag @%s stays: %s. A change now would make LVM take them for outdated on every node"
                % (self.node, volume_group.missing(group))
            )
        self._untag()
        if changed:
            self._verify_down()
        self._proof = self._proof_of_release()
        return changed

    def _verify_down(self) -> None:
        group = self._find()
        if group and (group.active or self._is_ours(group)):
            raise NodeError(
                "after the stop, %s has the active volumes %s and the tags %s"
                % (self.name, ", ".join(group.active) or "none", ", ".join(group.tags) or "none")
            )

    def evidence(self) -> Dict[str, str]:
        group = self._find()
        if group is None:  # its disks were the service's, too, and are released by now
            text = "LVM knows of no volume group %s, and the kernel of no volume of it"
            return self._proof or {"volumes": text % self.name}
        active = [device.name for device in lvm.devices_of(group)]
        if active or group.active:
            raise NodeError("volumes of %s are active: %s" % (self.name, ", ".join(active or group.active)))
        if self._is_ours(group):
            raise NodeError("%s still has the tag @%s" % (self.name, self.node))
        return self._proof_of_release()

    def _proof_of_release(self) -> Dict[str, str]:
        return {
            "volumes": "no volume of %s is active" % self.name,
            "owner tag": "@%s is not on %s" % (self.node, self.name),
        }

    # Provisioning

    def provision(self) -> bool:
        group = self._find()
        if group:
            self._disks.check_same(group)
            return False
        reason = node_refusal(self.node, self.shared)
        if reason:
            raise NodeError(reason)
        self._forget()
        devices = self._disks.empty()
        options = self.values["options"] or ()
        self._changes.create_group(self.name, devices, volume_group.mark(self.service), self.shared, options)
        volume_group.imagine(self.machine, self._unseen([]))
        if self._find() is None:
            raise NodeError("vgcreate has ended well, but %s" % volume_group.absence(self.name))
        return True

    def exists(self) -> bool:
        return volume_group.find(self.machine, self.name) is not None

    def unprovision(self) -> bool:
        group = volume_group.find(self.machine, self.name)
        if group is None and self._check_mode and self._comes_later():
            group = self._unseen([])
        if group is None:
            return self._forget()
        self._refuse_removal(group)
        disks = self._disks.of(group)
        self.machine.record.put("provisioned", self.rid, sorted(disks))
        self._changes.remove_group(self.name)
        self._forget_disks(sorted(disks.values()))
        return True

    def _refuse_removal(self, group: Group) -> None:
        foreign = volume_group.foreign_owners(group, self.service)
        reason = volume_group.owned(group, foreign) if foreign else volume_group.missing(group) if group.missing else ""
        if volume_group.mark(self.service) not in group.tags:
            reason = "the volume group %s was not made by provisioning this service: remove it by hand" % self.name
        left = [volume.name for volume in group.volumes]
        if not reason and left:
            reason = "the volume group %s still has volumes: %s; see what is on them, then remove them by hand" % (
                self.name,
                ", ".join(left),
            )
        if reason:
            raise NodeError(reason)

    def _volumes(self) -> List[ResourceDefinition]:
        """The volumes of the group that are resources of the service."""
        return [other for other in self.service.resources if other.type == "lv" and other.values["vg"] == self.name]

    def _forget(self) -> bool:
        """There is no group: finish what an unprovision has begun, and remember the group no more."""
        self.machine.record.put("groups", self.rid, None)
        recorded = self.machine.record.get("provisioned", self.rid) or []
        left = lvm.orphans() if recorded else {}
        disks = [left[uuid] for uuid in recorded if uuid in left]
        return self._forget_disks(disks, self._disks.remains_of(recorded))

    def _forget_disks(self, disks: List[str], remains: Sequence[str] = ()) -> bool:
        """Make devices empty: physical volumes of no group, and those that were some until a moment ago."""
        if disks:
            self._changes.forget_disks(disks)
        self._disks.clear([*disks, *remains], self.rid)
        self.machine.record.put("provisioned", self.rid, None)
        return bool(disks or remains)


def _claim_on(group: Group) -> str:
    """What a service has that has activated a group."""
    return "volume group %s" % group.uuid
