# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Making the file system of a service, and destroying exactly that one again.

What was made here is known by its UUID, which is computed from the service's id and the resource: no list has to be believed.
"""

from __future__ import annotations

import os
import uuid
from typing import Any, List, Mapping

from ..definition.mount_options import is_file
from ..node import block, filesystems, holders, lvm, processes
from ..node.errors import NodeError
from ..node.lvm_changes import Changes
from ..node.machine import Machine
from .mount_source import MountSource

_SECTION = "filesystems"
_MKFS_DEADLINE = 3600.0
_WIPE_DEADLINE = 120.0
_LOOKED_AT = 3.0
_NAMESPACE = uuid.UUID("4c1f3a52-6b0e-5d3b-9a53-0f8e8c3d7a11")


def uuid_for(service_id: str, rid: str) -> str:
    """The UUID of the file system that is made for a resource: the same on every node, another one for every service."""
    return str(uuid.uuid5(_NAMESPACE, "%s %s" % (service_id, rid)))


class MountProvision:
    """The making and the destroying of one file system on a block device. The others have nothing to make."""

    def __init__(
        self,
        machine: Machine,
        rid: str,
        service_id: str,
        values: Mapping[str, Any],
        source: MountSource,
        shared: bool,
    ):
        self._machine = machine
        self._rid = rid
        self._values = values
        self._source = source
        self._mmp = shared and source.type == "ext4"
        self._uuid = uuid_for(service_id, rid)

    def make(self) -> bool:
        """Make the file system on an empty device; whether it was made. One of the right type is taken as it is.

        Raises NodeError for a device with any other content, or one that is in use.
        """
        if not self._source.is_block:
            return False
        if not self._source.declared.startswith("/"):
            if self._source.device():
                return False
            raise NodeError(
                "no device with %s can be found, and provisioning does not guess one: name the device in 'dev'"
                % self._source.declared
            )
        device = self._source.device()
        if not device and self._values["vg"]:
            self._make_volume()
            device = self._source.device()
        if not device:
            argument = self._source.argument("", self._machine.run.check_mode)
            return not self._was_made() and self._mkfs(argument)
        if block.signatures(device) == [self._source.type]:
            return False
        self._check_empty(device)
        return self._mkfs(self._source.argument(device))

    def _was_made(self) -> bool:
        """In check mode, whether the device that is not there yet holds the file system by all that can be known."""
        if is_file(self._source.declared) and os.path.isfile(self._source.declared):
            return block.signatures(self._source.declared) == [self._source.type]
        return bool(self._machine.record.get(_SECTION, self._rid) == self._uuid)

    def destroy(self) -> bool:
        """Clear the file system off its device; whether there were any.

        Raises NodeError when it is in use, or when its UUID does not prove that it was made here.
        """
        device = self._source.device() if self._source.is_block else ""
        wiped = bool(device) and self._wipe(device)
        removed = self._remove_volume()
        self._machine.record.put(_SECTION, self._rid, None)
        return removed or wiped

    # Parts

    def _wipe(self, device: str) -> bool:
        """Zero both ends, so that the device counts as empty; the end with the UUID last, because that is the proof."""
        if not block.content(device):
            return False
        found = filesystems.facts(device)
        if (found.type, found.uuid) != (self._source.type, self._uuid):
            raise NodeError(
                "%s on %s was not made by provisioning (its UUID is %s instead of %s): it is left as it is; when nothing on "
                "it is needed, clear it with 'wipefs --all %s'"
                % (block.content(device), device, found.uuid or "missing", self._uuid, device)
            )
        if not self._machine.run.check_mode:
            self._check_free(device)
        for start in (max(block.size(device) - block.END, 0), 0):
            argv = ["dd", "if=/dev/zero", "of=" + self._source.argument(device), "bs=%d" % block.END, "count=1"]
            argv += ["oflag=seek_bytes", "seek=%d" % start, "conv=notrunc,fsync"]
            self._machine.run.change(argv, _WIPE_DEADLINE, self._rid)
        return True

    def _check_empty(self, device: str) -> None:
        content = block.content(device)
        if content:
            raise NodeError(
                "%s holds %s: nothing is made there; when that is not needed, clear it with 'wipefs --all %s', and bytes "
                "without a signature with 'blkdiscard --zeroout' or dd" % (device, content, device)
            )
        self._check_free(device)

    @staticmethod
    def _check_free(device: str) -> None:
        """Raise NodeError when anybody uses a device, also one who just has it open, as a database or a virtual machine.

        udev, or the losetup of another service, has a device open for a moment: that is waited for.
        """
        major, minor = block.number(device)
        users: List[str] = []

        def is_alone() -> bool:
            users[:] = holders.of_device(major, minor, guess=False)
            return not users and block.is_free(device)

        if not processes.wait_until(is_alone, _LOOKED_AT, 0.1):
            users = users or holders.of_device(major, minor)
            raise NodeError("%s is in use: %s" % (device, "; ".join(users) or "by whom cannot be seen from here"))

    def _mkfs(self, device: str) -> bool:
        kind = self._source.type
        filesystems.require("mkfs." + kind)
        argv = filesystems.mkfs_command(kind, device, self._uuid, self._values["mkfs_opt"], self._mmp)
        self._machine.run.change(argv, _MKFS_DEADLINE, self._rid)
        if not self._machine.run.check_mode:
            self._verify(device)
            self._machine.record.put(_SECTION, self._rid, self._uuid)
        return True

    def _verify(self, device: str) -> None:
        found = filesystems.facts(device)
        if (found.type, found.uuid) != (self._source.type, self._uuid):
            raise NodeError(
                "mkfs reported success, and %s holds %s with the UUID %s instead of %s %s: do 'mkfs_opt' set another one?"
                % (device, found.type or "nothing", found.uuid or "(none)", self._source.type, self._uuid)
            )
        if self._mmp and not filesystems.has_mmp(device):
            raise NodeError("the new file system on %s lacks the feature mmp: do 'mkfs_opt' switch it off?" % device)

    def _make_volume(self) -> None:
        """Make the logical volume that `dev` names, with a tag that tells it from those of others."""
        group = str(self._values["vg"])
        name = volume_name(self._source.declared, group)
        found = lvm.find(group)
        if found and found.volume(name):
            raise NodeError(self._source.missing())
        Changes(self._machine.run, self._rid).create_volume(group, name, str(self._values["size"]), self._tag)
        self._machine.outlook.expect(self._source.declared)

    def _remove_volume(self) -> bool:
        """Remove the logical volume that was made here, known by its tag; whether there was one."""
        group = str(self._values["vg"] or "")
        found = lvm.find(group) if group and self._source.is_block else None
        volume = found.volume(volume_name(self._source.declared, group)) if found else None
        if volume is None or self._tag not in volume.tags:
            return False
        above = [other.name for other in found.volumes if volume.name in other.below] if found else []
        if above:
            raise NodeError(
                "other volumes depend on %s/%s: %s; remove them first" % (group, volume.name, ", ".join(above))
            )
        changes = Changes(self._machine.run, self._rid)
        if volume.active:
            changes.deactivate_volumes(group, [volume.name])
        changes.remove_volume(group, volume.name)
        return True

    @property
    def _tag(self) -> str:
        return "dockyard=" + self._uuid


def volume_name(dev: str, group: str) -> str:
    """The logical volume that a device path of a volume group names. Raises NodeError when it names none.

    Source: the device mapper writes a dash in a name as two, and one between the names.
    """
    mapped = "/dev/mapper/%s-" % group.replace("-", "--")
    if dev.startswith("/dev/%s/" % group) and dev.count("/") == 3:
        return dev.rpartition("/")[2]
    if dev.startswith(mapped):
        name = dev[len(mapped) :]
        if not name.replace("--", "").count("-"):
            return name.replace("--", "-")
    raise NodeError("%s is no logical volume of the volume group %s" % (dev, group))
