# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a definition may say of volume groups and logical volumes. Source: lvm(8), "VALID NAMES" and "TAGS"."""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping, Optional, Sequence, Tuple

from .errors import quoted

NO_HOST = "_=/!:&#"
"""What a tag of LVM may hold, but the name of a host may not."""
_NAME = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")
_TAG = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.=/!:&#-]{0,1023}")
_SIZE = re.compile(r"([0-9]{1,18})\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_SHARE = re.compile(r"([0-9]{1,3})%(FREE|VG|PVS)", re.IGNORECASE)
_RESERVED = re.compile(
    r"snapshot.*|pvmove.*|.*_(?:cdata|cmeta|corig|cpool|cvol|iorig|mimage|mlog|pmspare|rimage|rmeta|tdata|tmeta|vdata|vorigin"
    r"|wcorig|imeta)(?:_.*)?"
)
_FORCED = ("--force", "--yes")
_OURS = ("--name", "--size", "--extents", "--addtag")
_SHARING = ("--shared", "--clustered", "--systemid")


def refusals(resource_type: str, values: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    """What is wrong with the values of a section of type vg or lv: pairs of keyword and message."""
    if resource_type == "vg":
        yield from _named("name", name_refusal(values["name"], "volume group"))
        for tag in values["known_tags"] or ():
            yield from _named("known_tags", "" if _TAG.fullmatch(tag) else "%s is no tag of LVM" % quoted(tag))
        for path in values["pvs"] or ():
            yield from _named("pvs", "" if path.startswith("/") else "%s must be an absolute path" % quoted(path))
        yield from _named("options", _option_refusal(values["options"] or (), _FORCED + _SHARING))
    elif resource_type == "lv":
        yield from _named("name", name_refusal(values["name"], "logical volume"))
        yield from _named("vg", name_refusal(values["vg"], "volume group"))
        if values["size"] is not None:
            wrong = "%s must be a size such as 10g, or a share such as 50%%FREE, 80%%VG or 100%%PVS"
            yield from _named("size", "" if volume_size(values["size"]) else wrong % quoted(values["size"]))
        yield from _named("create_options", _option_refusal(values["create_options"] or (), _FORCED + _OURS))


def _named(keyword: str, message: str) -> Iterator[Tuple[str, str]]:
    if message:
        yield keyword, message


def name_refusal(name: str, kind: str) -> str:
    """Why LVM would not take a name, or an empty string."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        return "%s is no name of a %s: letters, digits and +_.- are allowed, at most 127" % (quoted(name), kind)
    if kind == "logical volume" and _RESERVED.fullmatch(name):
        return "%s is a name that LVM keeps for itself" % quoted(name)
    return ""


def node_refusal(node: str, shared: bool) -> str:
    """Why a node's name cannot be the owner tag of a volume group, or an empty string.

    Another node must not take the tag for a word of somebody's own: it would start what is in use.
    """
    if not _TAG.fullmatch(node):
        return "the name of the node, %s, cannot be a tag of LVM, which marks who uses a volume group" % quoted(node)
    if shared and node.startswith("localhost"):
        return (
            "the name of the node, %s, is that of every node: the tag on a shared volume group would keep nobody out; give it "
            "a host name in the inventory" % quoted(node)
        )
    if shared and any(char in NO_HOST for char in node):
        return (
            "the name of the node, %s, holds one of %s: other nodes would not take its tag on a volume group for a node; "
            "give it a host name in the inventory" % (quoted(node), NO_HOST)
        )
    return ""


def volume_size(text: str) -> Optional[str]:
    """A size for lvcreate: bytes as a number, or a share such as 50%FREE. None when it is neither."""
    share = _SHARE.fullmatch(text.strip())
    if share:
        return "%d%%%s" % (int(share.group(1)), share.group(2).upper()) if 1 <= int(share.group(1)) <= 100 else None
    size = _SIZE.fullmatch(text.strip())
    number = int(size.group(1)) << (10 * " kmgtp".index(size.group(2).lower() or " ")) if size else 0
    return str(number) if number else None


def _option_refusal(options: Sequence[str], refused: Sequence[str]) -> str:
    """Why options for vgcreate or lvcreate are refused, or an empty string. LVM takes the beginning of a long name for it."""
    short = {"--force": "-f", "--yes": "-y", "--name": "-n", "--size": "-L", "--extents": "-l", "--clustered": "-c"}
    for option in options:
        word = option.partition("=")[0]
        for name in refused:
            letter = short.get(name)
            if (letter and option.startswith(letter)) or (len(word) > 3 and name.startswith(word)):
                return "%s is not allowed: %s" % (
                    quoted(option),
                    "nothing is forced here" if name in _FORCED else "it is the service that says %s" % name,
                )
    return ""
