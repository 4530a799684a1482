# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What only one resource, or one service of a node, can have: addresses, devices, mount points, folders, networks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Tuple

from .errors import Problem
from .model import Definition, ResourceDefinition
from .order import plain

_ON_A_DEVICE = ("ext2", "ext3", "ext4", "xfs", "btrfs")
_MAPPER = re.compile(r"/dev/mapper/((?:[^-]|--)+)-((?:[^-]|--)+)")


@dataclass(frozen=True)
class _Claim:
    """Something that a resource wants for itself: `key` tells it from others, `text` is what was written."""

    kind: str
    key: str
    resource: ResourceDefinition
    keyword: str
    text: str


@dataclass(frozen=True)
class _Place:
    """A path of a service. One `with_all` takes in what lies below it."""

    path: str
    service: str
    section: str
    keyword: str
    what: str
    with_all: bool = True


def double_claims(resources: Sequence[ResourceDefinition]) -> Iterator[Tuple[str, str, str]]:
    """What two resources of one service cannot both have, as (section, keyword, sentence)."""
    owners: Dict[Tuple[str, str, str], _Claim] = {}
    for claim in _claims(resources):
        rid, group = claim.resource.rid, claim.resource.group  # a file system lies on the device of a disk
        other = owners.setdefault((group, claim.kind, claim.key), claim)
        if other is not claim and not _subvolumes(claim, other):
            yield rid, claim.keyword, "%s is the %s of %s, too" % (claim.text, claim.kind, other.resource.rid)


def clashes(definitions: Sequence[Definition]) -> List[Problem]:
    """What two services of one node must not share."""
    return [
        *_shared_ids(definitions),
        *_shared_networks(definitions),
        *_shared_things(definitions),
        *_shared_places(definitions),
    ]


def device_key(device: str) -> str:
    """One text for the names of one device: /dev/mapper/a--b-c is /dev/a-b/c. Source: lvm(8)."""
    match = _MAPPER.fullmatch(device)
    if match:
        return "/dev/%s/%s" % (match.group(1).replace("--", "-"), match.group(2).replace("--", "-"))
    if device.startswith("UUID="):
        return "UUID=" + device[5:].lower()  # hexadecimal digits, see blkid(8)
    return plain(device) if device.startswith("/") else device


def _claims(resources: Sequence[ResourceDefinition]) -> Iterator[_Claim]:
    """A disabled resource claims nothing."""
    for resource in resources:
        values = resource.values
        if values["disable"]:
            continue
        if resource.group == "ip":
            yield _Claim("address", _address_key(values["ipname"]), resource, "ipname", values["ipname"])
        elif resource.group == "disk" and resource.type == "vg":
            yield _Claim("volume group", values["name"], resource, "name", values["name"])
        elif resource.group == "disk" and resource.type == "lv":
            name = "/dev/%s/%s" % (values["vg"], values["name"])
            yield _Claim("device", name, resource, "name", name)
        elif resource.group == "disk":
            yield _Claim("device", values["file"], resource, "file", values["file"])
        elif resource.group == "fs":
            yield _Claim("mount point", values["mnt"], resource, "mnt", values["mnt"])
            if resource.type in _ON_A_DEVICE and values["dev"]:
                yield _Claim("device", device_key(values["dev"]), resource, "dev", values["dev"])


def _address_key(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.lower().rstrip(".")


def _subvolumes(first: _Claim, second: _Claim) -> bool:
    """Whether two claims are for different subvolumes of one btrfs, which may be mounted side by side."""
    options = [claim.resource.values.get("mnt_opt") for claim in (first, second)]
    btrfs = first.resource.type == second.resource.type == "btrfs" and first.kind == "device"
    return btrfs and options[0] != options[1]


def _shared_ids(definitions: Sequence[Definition]) -> Iterator[Problem]:
    owners: Dict[str, str] = {}
    for definition in definitions:
        path = str(definition.path)
        other = owners.setdefault(definition.id, path)
        if other != path:
            yield Problem(path, "DEFAULT", "id", "%s is the id of service %s, too" % (definition.id, other))


def _shared_networks(definitions: Sequence[Definition]) -> Iterator[Problem]:
    networks = [
        (ipaddress.IPv4Network(definition.values["docker_subnet"]), str(definition.path))
        for definition in definitions
        if definition.values["docker_subnet"]
    ]
    for position, (network, owner) in enumerate(networks):
        for other_network, other in networks[position + 1 :]:
            if network.overlaps(other_network):
                message = "%s overlaps the network of service %s (%s)" % (other_network, owner, network)
                yield Problem(other, "DEFAULT", "docker_subnet", message)


def _shared_things(definitions: Sequence[Definition]) -> Iterator[Problem]:
    owners: Dict[Tuple[str, str], Tuple[str, str]] = {}
    for definition in definitions:
        path = str(definition.path)
        for claim in _active_claims(definition):
            if claim.kind == "mount point":
                continue  # one inside the other is as bad: see the places
            owner, rid = owners.setdefault((claim.kind, claim.key), (path, claim.resource.rid))
            if owner != path:
                message = "%s is the %s of service %s, too (%s)" % (claim.text, claim.kind, owner, rid)
                yield Problem(path, claim.resource.rid, claim.keyword, message)


def _shared_places(definitions: Sequence[Definition]) -> Iterator[Problem]:
    places = sorted(
        (place for definition in definitions for place in _places(definition)),
        key=lambda place: (place.path + "/", not place.with_all),
    )
    for position, outer in enumerate(places):
        for inner in places[position + 1 :]:
            if not (inner.path + "/").startswith(outer.path + "/"):
                break
            if inner.service == outer.service or not outer.with_all:
                continue
            message = "%s is %s%s of service %s (%s): give each service its own, for example /srv/{svcpath}/%s" % (
                inner.path,
                "" if inner.path == outer.path else "inside ",
                outer.what,
                outer.service,
                outer.path,
                "docker" if inner.keyword == "docker_data_dir" else "data",
            )
            yield Problem(inner.service, inner.section, inner.keyword, message)


def _places(definition: Definition) -> Iterator[_Place]:
    service = str(definition.path)
    if definition.values["docker_data_dir"]:
        yield _Place(definition.values["docker_data_dir"], service, "DEFAULT", "docker_data_dir", "the data root")
    for claim in _active_claims(definition):
        rid = claim.resource.rid
        if claim.kind == "mount point":
            yield _Place(claim.key, service, rid, claim.keyword, "the mount point %s" % rid)
        elif claim.keyword == "file":
            yield _Place(claim.key, service, rid, claim.keyword, "the file %s" % rid, with_all=False)


def _active_claims(definition: Definition) -> Iterator[_Claim]:
    return iter(()) if definition.values["disable"] else _claims(definition.resources)
