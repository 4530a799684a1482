# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The disks that a volume group is provisioned on: devices, or files that have a loop device."""

from __future__ import annotations

import os
import stat
from typing import Dict, List, Sequence, Set, Tuple

from ..node import block, loops
from ..node.errors import NodeError
from ..node.lvm import Group, PhysicalVolume
from ..node.machine import Machine

_END = 1 << 20
"""What is looked at, and cleared, at both ends of a device. The metadata of LVM take the first MiB."""
_DEADLINE = 60.0


class VolumeDisks:
    """The disks in the keyword `pvs`."""

    def __init__(self, paths: Sequence[str], machine: Machine):
        self._paths = paths
        self._machine = machine

    def empty(self) -> List[str]:
        """The devices to make a group on. Raises NodeError unless nobody uses them, and nothing at all is on them."""
        if not self._paths:
            raise NodeError("the keyword pvs is needed: the disks to make the volume group on")
        devices = []
        for path in self._paths:
            device = self._machine.outlook.device(path)  # only check mode imagines one, and nothing is on it yet
            if not device:
                device = self._device(path)
                if not block.is_free(device):
                    raise NodeError("%s is in use: it is not made a physical volume" % path)
                found = block.content(device)
                if found:
                    raise NodeError(
                        "%s holds %s: nothing is overwritten here; when it is not needed, 'wipefs --all' and "
                        "'blkdiscard --zeroout' empty it" % (path, found)
                    )
            devices.append(device)
        return devices

    def check_same(self, group: Group) -> None:
        """Raise NodeError unless an existing group has exactly the declared disks, or none are declared."""
        if not self._paths:
            return
        declared = {block.number(self._device(path)) for path in self._paths}
        has = _numbers(group)
        if declared != set(has):
            raise NodeError(
                "there is a volume group %s already, on %s, and not on %s: nothing is changed"
                % (group.name, ", ".join(disk.device for disk in group.disks), ", ".join(self._paths))
            )

    def of(self, group: Group) -> Dict[str, str]:
        """Those disks of a group that are declared here: their devices by uuid."""
        if not group.uuid:  # only check mode imagines one
            return {path: self._machine.outlook.device(path) or path for path in self._paths}
        declared: Set[Tuple[int, int]] = {block.number(self._device(path)) for path in self._paths}
        numbers = _numbers(group)
        return {disk.uuid: disk.device for number, disk in numbers.items() if number in declared}

    def remains_of(self, uuids: Sequence[str]) -> List[str]:
        """The declared devices that were physical volumes with these uuids, and are none any more.

        pvremove(8) takes the label away and leaves the metadata, in which the uuids stand.
        """
        found = []
        for device in map(self._device, self._paths if uuids else ()):
            if block.is_free(device) and not block.signatures(device):
                with open(device, "rb", buffering=0) as stream:
                    head = stream.read(_END)
                if any(uuid.encode() in head for uuid in uuids):
                    found.append(device)
        return found

    def clear(self, devices: Sequence[str], rid: str) -> None:
        """Fill both ends of devices with zeros, the metadata last: it proves that the device was ours."""
        for device in devices:
            words = ["blkdiscard", "--zeroout", "--length", "%d" % _END]
            end = max(self._size(device) - _END, 0)
            self._machine.run.change([*words, "--offset", "%d" % end, device], _DEADLINE, rid)
            self._machine.run.change([*words, "--offset", "0", device], _DEADLINE, rid)

    def _size(self, device: str) -> int:
        """The size of a device in bytes; of one that check mode imagines, the size of its file."""
        files = [path for path in self._paths if self._machine.outlook.device(path) == device]
        with open(files[0] if files else device, "rb", buffering=0) as stream:
            return stream.seek(0, os.SEEK_END)

    def _device(self, path: str) -> str:
        """The device of a path. Raises NodeError."""
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise NodeError("%s cannot be a physical volume: %s" % (path, error.strerror)) from error
        if stat.S_ISBLK(mode):
            return path
        device = loops.device_of(path) if stat.S_ISREG(mode) else ""
        if not device:
            raise NodeError("%s is no block device, nor a file with a loop device" % path)
        return device


def _numbers(group: Group) -> Dict[Tuple[int, int], PhysicalVolume]:
    """The disks of a group by their number. Raises Undetermined for a missing one."""
    return {block.number(disk.device): disk for disk in group.disks}
