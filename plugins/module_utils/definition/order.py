# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The order in which the resources of a service start, and what in a definition contradicts it."""

from __future__ import annotations

from itertools import groupby
from typing import AbstractSet, Dict, Iterator, List, Sequence, Tuple

from .errors import nearest
from .model import ResourceDefinition
from .requirements import Requirement

_VERBS = ("start", "stop", "provision", "unprovision")


def start_order(resources: Sequence[ResourceDefinition]) -> List[ResourceDefinition]:
    """The resources by group, subset and number; but a file system comes after those that carry it.

    A stop takes the opposite order. Where subsets or a circle stand against it, `order_refusals` says so.
    """
    under = _carriers(resources)
    ordered: List[ResourceDefinition] = []
    for _subset_name, members in groupby(sorted(resources, key=lambda resource: resource.sort_key), _subset):
        batch = list(members)
        rids = {resource.rid for resource in batch}
        while batch:
            free = (resource for resource in batch if not any(other.rid in rids for other in under[resource.rid]))
            following = next(free, batch[0])
            batch.remove(following)
            rids.remove(following.rid)
            ordered.append(following)
    return ordered


def order_refusals(ordered: Sequence[ResourceDefinition], parallel: AbstractSet[str]) -> Iterator[Tuple[str, str, str]]:
    """What contradicts the order of a start, as (section, keyword, sentence). `parallel` names the parallel subsets."""
    active = [resource for resource in ordered if not resource.values["disable"]]
    positions = {resource.rid: position for position, resource in enumerate(ordered)}
    under = _carriers(active)
    for resource in active:
        for carrier in under[resource.rid]:
            beside = _subset(carrier) == _subset(resource)
            late = positions[carrier.rid] > positions[resource.rid]
            if late and beside:
                yield resource.rid, "mnt", "%s and it lie inside each other: neither can be mounted first" % carrier.rid
            elif late or (beside and _subset(resource) in parallel):
                why = "comes later" if late else "is parallel"
                message = "%s must be mounted first (%s), but its subset %s"
                yield resource.rid, "subset", message % (carrier.rid, carrier.values["mnt"], why)
        for below in active:
            if _subset(below) == _subset(resource) and _subset(resource) in parallel and stands_on(resource, below):
                yield resource.rid, "subset", "%s must be started first, but their subset is parallel" % below.rid
        if resource.group == "disk" and resource.type == "loop":
            for other in active:
                if other.group == "fs" and is_inside(resource.values["file"], other.values["mnt"]):
                    message = "%s is inside %s, which is mounted later (%s): disks start before file systems"
                    yield resource.rid, "file", message % (resource.values["file"], other.values["mnt"], other.rid)
        for verb in _VERBS:
            keyword = verb + "_requires"
            for requirement in resource.values[keyword]:
                refusal = _requirement_refusal(resource, requirement, ordered, positions, parallel)
                if refusal:
                    yield resource.rid, keyword, refusal


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder itself or something below it, component by component."""
    return path == folder or path.startswith(folder + "/")


def plain(path: str) -> str:
    """A path without doubled and closing slashes."""
    return "/" + "/".join(part for part in path.split("/") if part)


def stands_on(disk: ResourceDefinition, below: ResourceDefinition) -> bool:
    """Whether a volume group has its disks from a loop device, or a volume is in a group."""
    if (disk.group, below.group) != ("disk", "disk"):
        return False
    if (disk.type, below.type) == ("vg", "loop"):
        return below.values["file"] in (disk.values["pvs"] or ())
    return (disk.type, below.type) == ("lv", "vg") and bool(disk.values["vg"] == below.values["name"])


def _carriers(resources: Sequence[ResourceDefinition]) -> Dict[str, List[ResourceDefinition]]:
    """For each resource the file systems that must be mounted first: those that its mount point or its source lies in."""
    systems = [resource for resource in resources if resource.group == "fs"]
    found: Dict[str, List[ResourceDefinition]] = {resource.rid: [] for resource in resources}
    for resource in systems:
        mount_point = resource.values["mnt"]
        source = resource.values["dev"] if resource.type != "tmpfs" else None
        source = plain(source) if source and source.startswith("/") else ""
        for other in systems:
            folder = other.values["mnt"]
            if other is resource or folder == mount_point:
                continue
            if is_inside(mount_point, folder) or (source and is_inside(source, folder)):
                found[resource.rid].append(other)
    return found


def _requirement_refusal(
    resource: ResourceDefinition,
    requirement: Requirement,
    ordered: Sequence[ResourceDefinition],
    positions: Dict[str, int],
    parallel: AbstractSet[str],
) -> str:
    """Why a requirement can never be met, or an empty string."""
    if requirement.rid not in positions:
        return "the service has no resource %s%s" % (requirement.rid, nearest(requirement.rid, positions))
    if requirement.rid == resource.rid:
        return "%s cannot require itself" % resource.rid
    if requirement.allows_down:
        return ""
    other = ordered[positions[requirement.rid]]
    if _subset(other) == _subset(resource) and _subset(resource) in parallel:
        return "%s starts and stops side by side with %s: their subset is parallel" % (other.rid, resource.rid)
    if positions[other.rid] > positions[resource.rid]:
        return "%s starts after %s and stops before it: it can only be required to be down" % (other.rid, resource.rid)
    return ""


def _subset(resource: ResourceDefinition) -> str:
    return "%s:%s" % (resource.group, resource.values["subset"] or "")
