# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a standby resource stands on must be standby, too: a stop leaves the one up, and could not take the other down."""

from __future__ import annotations

from typing import Iterator, Optional, Sequence, Tuple

from .claims import device_key
from .docker_arguments import bind_sources
from .model import ResourceDefinition
from .order import is_inside, stands_on


def standby_refusals(
    resources: Sequence[ResourceDefinition], data_root: Optional[str]
) -> Iterator[Tuple[str, str, str]]:
    """What no stop of the service could get past, as (section, keyword, sentence)."""
    active = [resource for resource in resources if not resource.values["disable"]]
    for upper in active:
        for lower in active:
            if upper.values["standby"] and not lower.values["standby"] and _is_on(upper, lower, data_root):
                message = "%s is standby and stands on %s, which is not: make %s standby, too"
                yield upper.rid, "standby", message % (upper.rid, lower.rid, lower.rid)


def _is_on(upper: ResourceDefinition, lower: ResourceDefinition, data_root: Optional[str]) -> bool:
    if upper is lower:
        return False
    if upper.group == "disk":
        return stands_on(upper, lower)
    if upper.group == "fs":
        device = device_key(upper.values["dev"] or "")
        if lower.group == "disk":
            return _is_device_of(device, lower)
        return lower.group == "fs" and (_is_below(upper.values["mnt"], lower) or _is_below(device, lower))
    if upper.group == "container" and lower.group == "fs":
        paths = bind_sources(upper.values) + ([data_root] if data_root else [])
        return any(is_inside(path, lower.values["mnt"]) for path in paths)
    return False


def _is_device_of(device: str, disk: ResourceDefinition) -> bool:
    values = disk.values
    if disk.type == "vg":
        return device.startswith("/dev/%s/" % values["name"])
    return device == (values["file"] if disk.type == "loop" else "/dev/%s/%s" % (values["vg"], values["name"]))


def _is_below(path: str, system: ResourceDefinition) -> bool:
    """Whether a path lies in a file system, its mount point itself left out."""
    mount_point = system.values["mnt"]
    return path != mount_point and is_inside(path, mount_point)
