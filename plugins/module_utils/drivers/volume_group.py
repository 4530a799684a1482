# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What the drivers of volume groups and of logical volumes share: whose a group is, and how volumes are let go.

LVM does not keep two nodes from activating one group. A tag with the name of a node says who uses it, as an agreement
among the nodes. A tag that could be the name of another node is taken for one.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Iterable, List, Optional, Sequence

from ..definition.model import Definition
from ..definition.volumes import NO_HOST
from ..node import holders, lvm
from ..node.errors import CommandFailed, NodeError
from ..node.lvm import Group
from ..node.lvm_changes import Changes
from ..node.machine import Machine

_TRIES = 4
_PAUSE = 0.5
_DEVICES_FILE = "/etc/lvm/devices/system.devices"


def mark(service: Definition) -> str:
    """The tag on what provisioning has made for a service. No node has such a name."""
    return "dockyard.id=" + service.short_id


def known_tags(service: Definition, group: str) -> List[str]:
    """The tags that the service declares to be no nodes."""
    sections = [resource.values for resource in service.resources if resource.type == "vg"]
    return [tag for values in sections if values["name"] == group for tag in values["known_tags"] or ()]


def foreign_owners(group: Group, service: Definition) -> List[str]:
    """The tags on a group that are, or could be, other nodes."""
    nodes = [*(service.values["nodes"] or ()), *(service.values["drpnodes"] or ())]
    known = known_tags(service, group.name)
    return [
        tag
        for tag in group.tags
        if tag != service.node and (tag in nodes or not (tag in known or any(char in NO_HOST for char in tag)))
    ]


def absence(name: str) -> str:
    """What to say of a group that LVM does not see."""
    hint = ""
    if os.path.exists(_DEVICES_FILE):
        hint = "; it looks only at the devices in %s, see 'lvmdevices'" % _DEVICES_FILE
    return "LVM sees no volume group %s: see 'vgs' and 'pvs --all'; disks that cannot be read are not told of%s" % (
        name,
        hint,
    )


def refusal(group: Group, service: Definition) -> str:
    """Why the volumes of a group must not be activated here, or an empty string."""
    name = group.name
    if group.lock_type:
        return "the volume group %s is shared by a lock manager of LVM (%s), which is not for services that move" % (
            name,
            group.lock_type,
        )
    if group.exported:
        return "the volume group %s is exported: 'vgimport %s' makes it usable" % (name, name)
    if not lvm.accessible(group):
        return "the volume group %s belongs to the host with the system id %s, see lvmsystemid(7)" % (
            name,
            group.system_id,
        )
    if group.missing or any(disk.missing for disk in group.disks):
        return missing(group)
    if group.clones or any(disk.duplicate for disk in group.disks):
        clones = ", ".join(group.clones) or "see 'pvs --all'"
        return "disks of the volume group %s are there twice (%s): take the copies away, LVM could use them" % (
            name,
            clones,
        )
    foreign = foreign_owners(group, service)
    if foreign:
        return owned(group, foreign)
    if group.complaints:
        return "LVM complains about the volume group %s: %s" % (name, " | ".join(group.complaints))
    return ""


def owned(group: Group, foreign: Sequence[str]) -> str:
    """What to do about a group that another node uses."""
    tags = " and ".join("@" + tag for tag in foreign)
    return (
        "the volume group %s has the tag %s, so that node may be using it. Stop the service there; or, when that is no node, "
        "list it in known_tags; or, when that node is proven to be dead, remove the tag by hand: 'vgchange --deltag @%s %s'"
        % (group.name, tags, foreign[0], group.name)
    )


def missing(group: Group) -> str:
    """Which disks of a group are missing."""
    gone = ", ".join("%s %s" % (disk.device, disk.uuid) for disk in group.disks if disk.missing)
    return (
        "disks of the volume group %s are missing: %s; bring them back, or see 'vgreduce --removemissing' and "
        "'vgextend --restoremissing'" % (group.name, gone or "%d" % group.missing)
    )


def find(machine: Machine, name: str) -> Optional[Group]:
    """The group, or in check mode what has become of it by then; None when there is none. Raises Undetermined."""
    return machine.outlook.groups.get(name) or lvm.find(name)


def imagine(machine: Machine, group: Group) -> None:
    """In check mode, take for granted what a command would have made of a group."""
    if machine.run.check_mode:
        machine.outlook.groups[group.name] = group


def switched(group: Group, active: bool, names: Optional[Sequence[str]] = None) -> Group:
    """The group after the activation or deactivation of all its volumes, or of some."""
    volumes = [
        replace(volume, active=active)
        if (volume.name in names if names is not None else not volume.skipped)
        else volume
        for volume in group.volumes
    ]
    return replace(group, volumes=tuple(volumes))


def deactivate(machine: Machine, changes: Changes, group: Group, names: Optional[Sequence[str]] = None) -> None:
    """Deactivate all volumes of a group, or some. What has one open for a moment (udev does) is waited for.

    Raises NodeError with those who use a volume that stays active.
    """
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        said = ""
        try:
            if names is None:
                changes.deactivate(group.name)
            else:
                changes.deactivate_volumes(group.name, names)
        except CommandFailed as error:
            said = str(error)
        imagine(machine, switched(group, False, group.active if names is None else names))
        now = find(machine, group.name)
        left = [name for name in (now.active if now else []) if names is None or name in names]
        if not now or not left:
            return
        users = list(users_of(now, left))
        if users or attempt == _TRIES - 1:
            who = "; ".join(users) or "nobody can be named who uses them"
            raise NodeError(
                "volumes of %s stay active (%s): %s%s"
                % (group.name, ", ".join(left), who, " (%s)" % said if said else "")
            )


def users_of(group: Group, names: Iterable[str]) -> Iterable[str]:
    """Who uses volumes of a group, in words."""
    for name in names:
        for device in lvm.devices_of(group, name)[:1]:
            for user in holders.of_device(*device.number):
                yield "%s/%s: %s" % (group.name, name, user)
