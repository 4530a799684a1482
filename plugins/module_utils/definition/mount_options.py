# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a file system section may say. Pure checks of values: nothing here looks at a machine."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Mapping, Optional, Tuple

BLOCK_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs")
"""The types that lie on a block device."""
NFS_TYPES = ("nfs", "nfs4")

_OTHER_ACTIONS = {
    "remount": "changes a mount that is there already",
    "move": "moves a mount that is there already",
    "bind": "is a type of its own: write 'type: bind'",
    "rbind": "would bring mounts along that nobody releases",
    "loop": "attaches a loop device that nobody releases: declare a disk resource of type loop, and its file as dev",
    "offset": "attaches a loop device that nobody releases: declare a disk resource of type loop",
    "sizelimit": "attaches a loop device that nobody releases: declare a disk resource of type loop",
    "nouuid": "takes away the only guard of an xfs against being mounted twice",
    "fake": "mounts nothing",
}
_PROPAGATION = re.compile(r"(make-)?r?(shared|slave|private|unbindable)")
_OPTION = re.compile(r"[A-Za-z0-9_.:@=+%/^~!?*()\[\]{}#-]+")
_TAG = re.compile(r"(UUID|LABEL)=[A-Za-z0-9_.:+-]+")
_NFS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9_.-]*):(/[!-~]*)")
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_.:@+=,~-]+)+")
_OCTAL = re.compile(r"0?[0-7]{3,4}")

_NO_MOUNT_POINTS = (
    "/home /lost+found /media /mnt /opt /root /srv /tmp /var /var/cache /var/lib /var/lib/docker /var/lock /var/log /var/run "
    "/var/spool /var/tmp /var/lib/dockyard /var/log/dockyard"
).split()
"""Folders of the node itself: what lies in them would be hidden. Folders below them may be mount points."""
_NOTHING_BELOW = "/bin /boot /dev /etc /lib /lib32 /lib64 /libx32 /proc /run /sbin /sys /usr".split()


def refusals(values: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    """What is wrong with the values of a file system section: the keyword, and a sentence that says what would be right."""
    for keyword, message in (
        ("dev", _device_refusal(values["type"], values.get("dev") or "")),
        ("mnt", _mount_point_refusal(values["mnt"])),
        ("perm", _mode_refusal(values.get("perm"))),
        ("size", _size_refusal(values)),
    ):
        if message:
            yield keyword, message
    for message in filter(None, map(_option_refusal, options(values))):
        yield "mnt_opt", message


def options(values: Mapping[str, Any]) -> List[str]:
    """The mount options one by one."""
    return [word for word in (values.get("mnt_opt") or "").split(",") if word]


def is_file(dev: str) -> bool:
    """Whether `dev` is a file, so that the loop device which is attached to it is meant."""
    return dev.startswith("/") and not dev.startswith("/dev/")


def _device_refusal(kind: str, dev: str) -> str:
    if kind == "tmpfs":
        return "" if re.fullmatch(r"[A-Za-z0-9_.:@/+-]*", dev) else "the name of a tmpfs is one word"
    if not dev:
        return "is missing: a file system of type %s needs %s" % (kind, _wanted(kind))
    if kind in NFS_TYPES:
        fits = bool(_NFS.fullmatch(dev))
    elif kind == "bind":
        fits = bool(_PLAIN_PATH.fullmatch(dev)) and not dev.startswith(("/dev/", "/proc/", "/sys/"))
    else:
        fits = bool(_TAG.fullmatch(dev) or _PLAIN_PATH.fullmatch(dev))
    if not fits:
        return "must be %s" % _wanted(kind)
    return "must not hold the components . or .." if {".", ".."} & set(dev.split("/")) else ""


def _wanted(kind: str) -> str:
    if kind in NFS_TYPES:
        return "server:/path"
    if kind == "bind":
        return "the absolute path of the folder that is to be seen at the mount point"
    return "a device such as /dev/vgapp/lvdata, UUID=... or LABEL=..., or the file of a loop resource"


def _mount_point_refusal(point: str) -> str:
    for folder in _NOTHING_BELOW:
        if point == folder or point.startswith(folder + "/"):
            return "%s belongs to the node itself: nothing of a service is mounted there" % folder
    if point in _NO_MOUNT_POINTS:
        return "%s belongs to the node itself: take a folder below it" % point
    return ""


def mode(perm: Any) -> Optional[int]:
    """The value of `perm` as bits; None when there is none, or it is no mode in octal."""
    return int(str(perm), 8) if perm and _OCTAL.fullmatch(str(perm)) else None


def _mode_refusal(perm: Any) -> str:
    return "must be a mode in octal and in quotes, such as '0750'" if perm and mode(perm) is None else ""


def _size_refusal(values: Mapping[str, Any]) -> str:
    if values.get("size") and values["type"] == "tmpfs":
        if any(word.partition("=")[0] in ("size", "nr_blocks") for word in options(values)):
            return "is given in mnt_opt, too: give it once"
    elif values.get("vg") and not values.get("size"):
        return "is missing: vg tells where provisioning makes the logical volume, size how large"
    return ""


def _option_refusal(word: str) -> str:
    name = word.partition("=")[0]
    if name in _OTHER_ACTIONS:
        return "%s %s" % (name, _OTHER_ACTIONS[name])
    if name.lower().startswith("x-"):
        return (
            "%s is for programs that read /etc/fstab; here it would do nothing, or something besides the mount" % name
        )
    if _PROPAGATION.fullmatch(name):
        return "%s changes how mounts spread, not the mount: set it for the parent on the node" % name
    return "" if _OPTION.fullmatch(word) else "%r holds characters that no mount option has" % word
