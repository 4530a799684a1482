# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The subvolumes of one btrfs that one service mounts side by side: then no single one of them has the device for itself."""

from __future__ import annotations

from typing import List

from ..definition.model import Definition
from ..node import mounts
from ..node.machine import Machine
from ..node.mounts import Mount
from .mount_source import MountSource
from .mount_trace import MountTrace


class Siblings:
    """The other file systems of the service on the same btrfs; none for every other type."""

    def __init__(self, machine: Machine, service: Definition, rid: str, source: MountSource, trace: MountTrace):
        self._source = source
        self._trace = trace
        self._others = [
            (resource.values["mnt"], MountSource(resource.values, machine.outlook))
            for resource in service.resources
            if source.type == "btrfs" and resource.group == "fs" and resource.type == "btrfs" and resource.rid != rid
        ]

    def share(self, device: str) -> bool:
        """Whether they have the device mounted now, and nothing else on this node has."""
        number = self._source.number_of(device)
        points = self._points()
        there = [mount.point for mount in (mounts.table() if points else []) if number in mounts.device_numbers(mount)]
        return bool(there) and all(any((place + "/").startswith(point + "/") for point in points) for place in there)

    def own(self, mount: Mount) -> bool:
        """Whether a mount of the device, in whatever mount namespace, is one of theirs and shows nothing of this one."""
        points = self._points()
        root = (self._trace.root() or self._source.subvolume or "/").rstrip("/") + "/"
        return bool(points) and (mount.point in points or not (mount.root + "/").startswith(root))

    def _points(self) -> List[str]:
        """The mount points of those on the same device."""
        if not self._others:
            return []
        numbers = self._source.numbers()
        return [point for point, source in self._others if not numbers.isdisjoint(source.numbers())]
