# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""LVM: volume groups as its JSON report tells of them. Needs LVM 2.03.12 or newer.

LVM ends well, and silent, when it cannot read a disk: the group on it is then missing from its report. So what is not in
the report is only absent as long as nothing else speaks against it. The kernel's own list of active volumes, in sysfs, is
read beside the report.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Dict, List, Optional, Tuple

from .commands import execute
from .errors import NodeError, Undetermined, last_lines

READ_DEADLINE = 30.0
"""How long, in seconds, a report may take. It waits while another command changes a group."""
_PV_FIELDS = "pv_name,pv_uuid,pv_missing,pv_duplicate"
_LV_FIELDS = "lv_name,lv_uuid,lv_active,lv_tags,lv_skip_activation,origin,pool_lv"
_VG_FIELDS = (
    "vg_name,vg_uuid,vg_tags,vg_exported,vg_systemid,vg_lock_type,vg_clustered,vg_autoactivation,vg_missing_pv_count"
)
_DUPLICATE = re.compile(r"Not using device (\S+) for PV (\S+?)\.?$")
_SAME_NAME = "is used by VGs"


@dataclass(frozen=True)
class PhysicalVolume:
    """One disk of a group. `missing`: LVM cannot see it, or takes it for outdated."""

    device: str
    uuid: str
    missing: bool = False
    duplicate: bool = False


@dataclass(frozen=True)
class LogicalVolume:
    """One visible volume of a group. `skipped`: an activation of the whole group leaves it out. `below`: what it needs."""

    name: str
    uuid: str
    active: bool
    tags: Tuple[str, ...] = ()
    skipped: bool = False
    below: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """One volume group. `complaints` are the warnings of LVM about it, `clones` devices that claim to be one of its disks."""

    name: str
    uuid: str
    tags: Tuple[str, ...] = ()
    disks: Tuple[PhysicalVolume, ...] = ()
    volumes: Tuple[LogicalVolume, ...] = ()
    exported: bool = False
    system_id: str = ""
    lock_type: str = ""
    autoactivation: bool = False
    missing: int = 0
    clones: Tuple[str, ...] = ()
    complaints: Tuple[str, ...] = ()

    def volume(self, name: str) -> Optional[LogicalVolume]:
        """The volume with this name, None when there is none."""
        return next((volume for volume in self.volumes if volume.name == name), None)

    @property
    def active(self) -> List[str]:
        """The names of the active volumes."""
        return [volume.name for volume in self.volumes if volume.active]

    @property
    def inactive(self) -> List[str]:
        """The names of the volumes that an activation of the group is for, and that are not active."""
        return [volume.name for volume in self.volumes if not volume.active and not volume.skipped]


def find(name: str) -> Optional[Group]:
    """The volume group of this name, None when LVM knows of none and no volume of such a group is active.

    Raises Undetermined, also when there are two of this name.
    """
    found = [group for group in report() if group.name == name]
    if len(found) > 1:
        uuids = " and ".join(group.uuid for group in found)
        raise Undetermined(
            "there are two volume groups of the name %s (%s): rename one with 'vgrename'" % (name, uuids)
        )
    if not found:
        left = [device.name for device in mapped() if device.volume and fnmatchcase(device.name, _mapper_pattern(name))]
        if left:
            text = "LVM does not see the volume group %s, but volumes of it are active: %s"
            raise Undetermined(text % (name, ", ".join(left)))
        return None
    return _checked(found[0])


def report() -> List[Group]:
    """Every volume group that LVM sees, also those of other hosts. Raises Undetermined."""
    result = _read(
        ["fullreport", "--nohints", "--foreign", "--shared", "--units", "b", "--nosuffix"]
        + ["--configreport", "vg", "--options", _VG_FIELDS, "--configreport", "pv", "--options", _PV_FIELDS]
        + ["--configreport", "lv", "--options", _LV_FIELDS]
        + ["--configreport", "pvseg", "--options", "pvseg_start", "--configreport", "seg", "--options", "segtype"]
    )
    return parse(*result)


def parse(stdout: str, stderr: str) -> List[Group]:
    """The groups in the output of lvm-fullreport(8). Raises Undetermined when it is not understood."""
    return [_group(part, stderr) for part in _rows(stdout, "vg", whole=True)]


def accessible(group: Group) -> bool:
    """Whether this host may use the group by its system id, see lvmsystemid(7). Raises Undetermined."""
    if not group.system_id:
        return True
    stdout, _stderr = _read(["vgs", "--nohints", "--options", "vg_uuid"])
    return any(row["vg_uuid"] == group.uuid for row in _rows(stdout, "vg"))


def orphans() -> Dict[str, str]:
    """The physical volumes that belong to no group: their devices by uuid. Raises Undetermined."""
    stdout, _stderr = _read(["pvs", "--nohints", "--options", "pv_name,pv_uuid,vg_name"])
    return {row["pv_uuid"]: row["pv_name"] for row in _rows(stdout, "pv") if not row["vg_name"]}


def _read(words: List[str]) -> Tuple[str, str]:
    argv = ["lvm", *words, "--reportformat", "json"]
    try:
        result = execute(argv, READ_DEADLINE)
    except NodeError as error:
        raise Undetermined("the volume groups cannot be read: %s" % error) from error
    if result.rc != 0:
        said = last_lines(result.stderr) or "nothing was said"
        raise Undetermined("the volume groups cannot be read: lvm %s ended with %d: %s" % (words[0], result.rc, said))
    return result.stdout, result.stderr


def _rows(stdout: str, kind: str, whole: bool = False) -> List[Any]:
    """The rows of one kind in a report, or the parts of the report that hold one such row each."""
    try:
        parts = [part for part in json.loads(stdout)["report"] if part.get(kind) or not whole]
        if whole:
            return parts
        return [row for part in parts for row in part[kind]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undetermined("the report of LVM is not understood: %r" % stdout[:200]) from error


def _group(part: Any, stderr: str) -> Group:
    try:
        (row,) = part["vg"]
        disks = tuple(
            PhysicalVolume(pv["pv_name"], pv["pv_uuid"], bool(pv["pv_missing"]), bool(pv["pv_duplicate"]))
            for pv in part["pv"]
        )
        uuids = {disk.uuid for disk in disks}
        found = [match for match in map(_DUPLICATE.search, stderr.splitlines()) if match]
        return Group(
            name=row["vg_name"],
            uuid=row["vg_uuid"],
            tags=_tags(row["vg_tags"]),
            disks=disks,
            volumes=tuple(_volume(lv) for lv in part["lv"]),
            exported=bool(row["vg_exported"]),
            system_id=row["vg_systemid"],
            lock_type=_lock_type(row),
            autoactivation=bool(row["vg_autoactivation"]),
            missing=int(row["vg_missing_pv_count"]),
            clones=tuple(match.group(1) for match in found if match.group(2) in uuids),
            complaints=_complaints(row["vg_name"], disks, stderr),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undetermined("the report of LVM is not understood: %r" % str(part)[:200]) from error


def _volume(row: Dict[str, str]) -> LogicalVolume:
    if row["lv_active"] == "unknown":
        raise Undetermined("LVM cannot tell whether the volume %s is active" % row["lv_name"])
    return LogicalVolume(
        name=row["lv_name"],
        uuid=row["lv_uuid"],
        active=bool(row["lv_active"]),
        tags=_tags(row["lv_tags"]),
        skipped=bool(row["lv_skip_activation"]),
        below=tuple(name.strip("[]") for name in (row["origin"], row["pool_lv"]) if name),
    )


def _tags(text: str) -> Tuple[str, ...]:
    return tuple(tag for tag in text.split(",") if tag)


def _lock_type(row: Dict[str, str]) -> str:
    """How hosts share the group by lvmlockd(8), or the clustered mark of older releases; an empty string when they do not."""
    kind = row["vg_lock_type"]
    return "clvm" if row["vg_clustered"] else "" if kind == "none" else kind


def _complaints(name: str, disks: Tuple[PhysicalVolume, ...], stderr: str) -> Tuple[str, ...]:
    """The lines of LVM about the group, or one of its disks by uuid or device. Two groups of one name are told elsewhere."""
    group = re.compile(r"""\b(?:VG|[Vv]olume group) ["']?%s["']?(?=[\s.,:]|$)""" % re.escape(name))
    of_disks = {text for disk in disks for text in (disk.uuid, disk.device) if text.startswith("/") or "-" in text}
    lines = [line.strip() for line in stderr.splitlines() if _SAME_NAME not in line]
    return tuple(
        line for line in lines if group.search(line) or of_disks & {word.strip(".,:()'\"") for word in line.split()}
    )


# The kernel's list of active volumes


@dataclass(frozen=True)
class Mapped:
    """A device of the device mapper. `volume` is the uuid of a volume with that of its group before it, without hyphens."""

    name: str
    number: Tuple[int, int]
    volume: str


def mapped(folder: str = "/sys/block") -> List[Mapped]:
    """The devices of the device mapper that are active on this machine. Raises Undetermined."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith("dm-"))
        return [device for device in (_mapped(os.path.join(folder, name)) for name in names) if device]
    except (OSError, ValueError) as error:
        raise Undetermined("the devices of the device mapper cannot be read: %s" % error) from error


def _mapped(folder: str) -> Optional[Mapped]:
    """One device, None when it has gone meanwhile."""
    try:
        name, number, uuid = [_text(os.path.join(folder, file)) for file in ("dm/name", "dev", "dm/uuid")]
    except FileNotFoundError:
        return None
    major, _colon, minor = number.partition(":")
    return Mapped(name, (int(major), int(minor)), uuid[len("LVM-") :] if uuid.startswith("LVM-") else "")


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()


def devices_of(group: Group, name: str = "") -> List[Mapped]:
    """The active devices of a group, or of one of its volumes, with the hidden ones below them. Raises Undetermined."""
    start = group.uuid.replace("-", "")
    if name:
        volume = group.volume(name)
        start += volume.uuid.replace("-", "") if volume else "?"
    return [device for device in mapped() if device.volume.startswith(start)]


def _checked(group: Group) -> Group:
    """The group, when the kernel does not contradict. LVM says inactive when it may not ask the device mapper."""
    active = {device.volume for device in mapped()}
    for volume in group.volumes:
        if not volume.active and (group.uuid + volume.uuid).replace("-", "") in active:
            raise Undetermined(
                "LVM says that %s/%s is not active, and the kernel says that it is" % (group.name, volume.name)
            )
    return group


def paths(group: str, volume: str) -> Tuple[str, str]:
    """The two paths of a volume: below the folder of its group, and below /dev/mapper."""
    return "/dev/%s/%s" % (group, volume), "/dev/mapper/%s-%s" % (_escaped(group), _escaped(volume))


def patterns(group: str) -> Tuple[str, str]:
    """Patterns of the paths of all volumes of a group."""
    return "/dev/%s/*" % group, "/dev/mapper/" + _mapper_pattern(group)


def _mapper_pattern(group: str) -> str:
    """vg-data is a volume of vg, vg--data-x one of vg-data: a name never begins with a hyphen."""
    return _escaped(group) + "-[!-]*"


def _escaped(name: str) -> str:
    return name.replace("-", "--")
