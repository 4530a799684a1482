# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A logical volume of a service. Where its group is a resource of the service, too, the group's start activates it."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Optional, Tuple

from ..definition.model import Definition, ResourceDefinition
from ..definition.volumes import volume_size
from ..node import block, lvm
from ..node.errors import NodeError
from ..node.lvm import Group, LogicalVolume
from ..node.lvm_changes import Changes, leaves_inactive
from ..node.machine import Machine
from . import volume_group
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status


class LogicalVolumeDriver(Driver):
    """The resource `disk#N` of type lv."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self.group: str = self.values["vg"]
        self.name: str = self.values["name"]
        self.full_name = "%s/%s" % (self.group, self.name)
        self._check_mode = machine.run.check_mode
        self._changes = Changes(machine.run, self.rid)
        self._what = "volume %s" % self.full_name
        self._proof: Dict[str, str] = {}

    def label(self) -> str:
        return "lv %s" % self.full_name

    def provides(self) -> Tuple[str, ...]:
        return lvm.paths(self.group, self.name)

    def needs(self) -> Tuple[str, ...]:
        return (lvm.paths(self.group, self.name)[0],)

    # Reading

    def status(self) -> Status:
        status = Status(DOWN, self.label())
        group, volume = self._find()
        if group is None or volume is None:
            status.remarks.append(Remark("info", "there is no volume %s" % self.full_name))
            return status
        foreign = volume_group.foreign_owners(group, self.service)
        if volume.active:
            status.state = WARN if foreign else UP
            status.facts = {"device": lvm.paths(self.group, self.name)[0]}
        if foreign:
            text = "the group belongs to node %s" % " and ".join(foreign)
            if volume.active:
                status.remarks.append(Remark("error", text + ", but the volume is active here, too"))
            else:
                status.remarks.append(Remark("info", text))
        return status

    def _find(self) -> Tuple[Optional[Group], Optional[LogicalVolume]]:
        group = volume_group.find(self.machine, self.group)
        return group, group.volume(self.name) if group else None

    def _refuse_of_others(self, volume: Optional[LogicalVolume]) -> None:
        """Raise NodeError when another service of this node has activated the volume."""
        if volume and volume.active:
            self.refuse_of_others(self._what, "%s was activated" % self.full_name)

    # Starting

    def check_start(self) -> None:
        if not self._group_rises():
            group, volume = self._find()
            self._refuse_of_others(volume)
            self._usable(group, volume)

    def _group_rises(self) -> bool:
        """Whether this run activates the whole group: what stands for all of it is expected, and not this volume alone."""
        return self.machine.outlook.expects("/dev/%s/" % self.group)

    def _usable(self, group: Optional[Group], volume: Optional[LogicalVolume]) -> Group:
        """The group. Raises NodeError when the volume must not be activated here."""
        if group is None:
            raise NodeError(volume_group.absence(self.group))
        reason = volume_group.refusal(group, self.service)
        if not reason and volume is None:
            reason = "there is no volume %s: make it, or provision the service" % self.full_name
        if reason:
            raise NodeError(reason)
        return group

    def start(self) -> bool:
        group, volume = self._find()
        self._refuse_of_others(volume)
        if volume and volume.active:
            return False
        group = self._usable(group, volume)
        self.claim(self._what)
        self.way_back.append(self.stop)
        self._changes.activate_volumes(self.group, [self.name])
        self._imagine(volume_group.switched(group, True, [self.name]), UP)
        _group, volume = self._find()
        if volume is None or not volume.active:
            raise NodeError(
                "%s is not active after 'lvchange --activate y': see activation/volume_list in lvm.conf"
                % self.full_name
            )
        return True

    def _imagine(self, group: Group, state: str) -> None:
        """In check mode, take for granted what a command would have done."""
        if self._check_mode:
            volume_group.imagine(self.machine, group)
            self.imagined = state

    # Stopping

    def stop(self) -> bool:
        group, volume = self._find()
        if group is None or volume is None:
            return False
        self._refuse_of_others(volume)
        if volume.active:
            volume_group.deactivate(self.machine, self._changes, group, [self.name])
        self.disclaim(self._what)
        self._imagine(volume_group.switched(group, False, [self.name]), DOWN)
        self._proof = {"volume": "%s is not active" % self.full_name}
        return volume.active

    def evidence(self) -> Dict[str, str]:
        group, volume = self._find()
        if group is None:  # its disks were the service's, too, and are released by now
            return self._proof or {"volume": "there is no volume group %s" % self.group}
        if volume is None:
            return {"volume": "there is no volume %s" % self.full_name}
        if volume.active or lvm.devices_of(group, self.name):
            raise NodeError("%s is active" % self.full_name)
        return {"volume": "%s is not active" % self.full_name}

    # Provisioning

    def provision(self) -> bool:
        group, volume = self._find()
        if volume:
            return False
        size = volume_size(self.values["size"]) if self.values["size"] else None
        if size is None:
            raise NodeError("the keyword size is needed to make the volume %s" % self.full_name)
        reason = volume_group.refusal(group, self.service) if group else volume_group.absence(self.group)
        if group is None or reason:
            raise NodeError(reason)
        mark = volume_group.mark(self.service)
        options = self.values["create_options"] or ()
        self._changes.create_volume(self.group, self.name, size, mark, options)
        made = LogicalVolume(self.name, "", not leaves_inactive(options), (mark,))
        volume_group.imagine(self.machine, replace(group, volumes=(*group.volumes, made)))
        self._verify_made()
        return True

    def _verify_made(self) -> None:
        """A new volume is active. It stays so where the whole group is, and is left for a start where it stands alone."""
        group, volume = self._find()
        if group is None or volume is None:
            raise NodeError("lvcreate has ended well, but there is no volume %s" % self.full_name)
        if volume.active and self.service.node not in group.tags:
            volume_group.deactivate(self.machine, self._changes, group, [self.name])

    def exists(self) -> bool:
        return self._find()[1] is not None

    def unprovision(self) -> bool:
        group, volume = self._find()
        if group is None or volume is None:
            return False
        self._refuse_removal(group, volume)
        if volume.active:
            path = lvm.paths(self.group, self.name)[0]
            if not self._check_mode and not block.is_free(path):
                users = "; ".join(volume_group.users_of(group, [self.name])) or "by somebody who cannot be named"
                raise NodeError("%s is in use: %s" % (self.full_name, users))
            volume_group.deactivate(self.machine, self._changes, group, [self.name])
        self._changes.remove_volume(self.group, self.name)
        rest = tuple(other for other in group.volumes if other.name != self.name)
        volume_group.imagine(self.machine, replace(group, volumes=rest))
        if self._find()[1] is not None:
            raise NodeError("lvremove has ended well, but there still is a volume %s" % self.full_name)
        return True

    def _refuse_removal(self, group: Group, volume: LogicalVolume) -> None:
        foreign = volume_group.foreign_owners(group, self.service)
        above = [other.name for other in group.volumes if self.name in other.below]
        if volume_group.mark(self.service) not in volume.tags:
            raise NodeError("%s was not made by provisioning this service: remove it by hand" % self.full_name)
        if foreign:
            raise NodeError(volume_group.owned(group, foreign))
        if group.missing:
            raise NodeError(volume_group.missing(group))
        if above:
            raise NodeError("other volumes depend on %s: %s; remove them first" % (self.full_name, ", ".join(above)))
