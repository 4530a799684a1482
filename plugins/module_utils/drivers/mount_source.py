# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a file system section mounts: which device, folder, export or name it means, and whether a mount is that."""

from __future__ import annotations

import os
import stat
from typing import Any, List, Mapping, Optional, Set, Tuple

from ..definition.mount_options import BLOCK_TYPES, NFS_TYPES, is_file, options
from ..node import block, files, filesystems, loops, mounts
from ..node.errors import NodeError, Undetermined
from ..node.mounts import Mount
from ..node.outlook import Outlook


class MountSource:
    """The `dev` of a section. Devices are compared by number, because one device has many names."""

    def __init__(self, values: Mapping[str, Any], outlook: Outlook):
        self.type: str = values["type"]
        self.declared: str = values["dev"] or ("tmpfs" if self.type == "tmpfs" else "")
        self._options = options(values)
        self._outlook = outlook

    @property
    def is_block(self) -> bool:
        """Whether it is a block device."""
        return self.type in BLOCK_TYPES

    @property
    def is_path(self) -> bool:
        """Whether it has a path that another resource may provide."""
        return self.declared.startswith("/") and self.type not in NFS_TYPES

    @property
    def is_expected(self) -> bool:
        """Whether a resource before this one is going to provide it."""
        if self.type == "bind" and will_be_carried(self._outlook, self.declared):
            return True
        return self.is_path and self._outlook.expects(self.declared)

    def device(self) -> str:
        """The path of the block device now, an empty string when there is none.

        Raises as `devices` does, and NodeError when several have the tag: a clone is not told from its origin by that.
        """
        found = self.devices()
        if len(found) > 1:
            raise NodeError(
                "several devices have %s: %s; name the right one in 'dev', or give the others another one"
                % (self.declared, " and ".join(found))
            )
        return found[0] if found else ""

    def devices(self) -> List[str]:
        """The paths of the block devices that may be meant now: of a tag, all that have it.

        A symbolic link below /dev is followed by the kernel as everywhere. Raises Undetermined when it cannot be told, and
        NodeError when the path is something else than a block device.
        """
        if not self.is_block:
            return []
        if not self.declared.startswith("/"):
            return filesystems.devices_with(self.declared)
        path = loops.device_of(self.declared) if is_file(self.declared) else self._device_at_path()
        return [path] if path else []

    def _device_at_path(self) -> str:
        try:
            facts = os.stat(self.declared)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            raise Undetermined("%s cannot be looked at: %s" % (self.declared, error.strerror)) from error
        if not stat.S_ISBLK(facts.st_mode):
            raise NodeError("%s is not a block device" % self.declared)
        return self.declared

    def number(self) -> str:
        """The number of the block device as in the table of mounts, an empty string when there is none."""
        return self.number_of(self.device())

    def numbers(self) -> Set[str]:
        """The numbers of all block devices that may be meant."""
        return {self.number_of(device) for device in self.devices()}

    @staticmethod
    def number_of(device: str) -> str:
        """The number of a block device as in the table of mounts, an empty string for an empty path."""
        return "%d:%d" % block.number(device) if device else ""

    def argument(self, device: str, check_mode: bool = False) -> str:
        """What the commands are told, when `device` was found: that one, as the definition names it where that is a path.

        They are never told UUID= or LABEL=: each of them would search by itself, some in an old list, and might find another
        device. Raises NodeError when it is missing; in check mode the one that is going to be there is imagined.
        """
        if not self.is_block:
            return self.declared
        if not device and check_mode:
            device = self._outlook.device(self.declared) or (self.declared if self.is_expected else "")
        if not device:
            raise NodeError(self.missing())
        return device

    def check_present(self) -> None:
        """Raise NodeError unless it is there now."""
        if self.is_block and not self.device():
            raise NodeError(self.missing())
        if self.type == "bind":
            files.check_root_owned(os.path.dirname(self.declared))
            if os.path.islink(self.declared) or not os.path.isdir(self.declared):
                raise NodeError("there is no folder %s to bind" % self.declared)

    def is_mounted_as(self, mount: Mount, table: List[Mount]) -> bool:
        """Whether a mount is what is declared.

        When the device is gone while something of that type is mounted, the name in the table of mounts decides if it is
        the declared one. Raises Undetermined when that name tells nothing.
        """
        if self.type == "tmpfs":
            return (mount.type, mount.source, mount.root) == ("tmpfs", self.declared, "/")
        if self.type in NFS_TYPES:
            return mount.type in NFS_TYPES and mount.source.rstrip("/") == self.declared.rstrip("/")
        if self.type == "bind":
            return (mount.device, mount.root) == self._bound(table)
        if not self._is_whole(mount):
            return False
        if self._is_loop_of_file(mount):
            return True
        numbers = self.numbers()
        if numbers:
            return not numbers.isdisjoint(mounts.device_numbers(mount))
        if self.declared.startswith("/dev/"):
            return mount.source == self.declared
        if mount.type != self.type:
            return False
        raise Undetermined(
            "%s is mounted on %s, and %s cannot be found: it cannot be told whether that is the same device"
            % (mount.source, mount.point, self.declared)
        )

    @property
    def subvolume(self) -> str:
        """The folder of the declared subvolume of a btrfs, an empty string when none is declared by its name."""
        names = [word.partition("=")[2] for word in self._options if word.startswith("subvol=")]
        return "/" + names[-1].strip("/") if names and self.type == "btrfs" else ""

    def _is_whole(self, mount: Mount) -> bool:
        """Whether a mount shows a whole file system, or the declared subvolume of a btrfs."""
        if mount.type != "btrfs":
            return mount.root == "/"
        ids = [word for word in self._options if word.startswith("subvolid=")]
        return self.subvolume in ("", mount.root) and (not ids or ids[-1] in mount.super_options)

    def _bound(self, table: List[Mount]) -> Tuple[str, str]:
        """The device and the folder in it that a bind mount of the declared folder shows."""
        carrier = mounts.carrying(self.declared, table)
        if carrier is None:
            raise Undetermined("the table of mounts does not show what carries %s" % self.declared)
        inside = os.path.relpath(self.declared, carrier.point)
        return carrier.device, os.path.normpath(os.path.join(carrier.root, inside))

    def _is_loop_of_file(self, mount: Mount) -> bool:
        """Whether the kernel names the declared file behind the mounted device. A removed file is named with '(deleted)'."""
        if not is_file(self.declared):
            return False
        folder = "/sys/dev/block/%s/loop" % mount.device
        try:
            backing = (files.read_text(folder + "/backing_file") or "").rstrip("\n")
            whole = (files.read_text(folder + "/offset") or "").strip() == "0"
            return backing in (self.declared, self.declared + " (deleted)") and whole
        except Undetermined:
            return False

    def missing(self) -> str:
        """What to say when there is no device."""
        if is_file(self.declared):
            return "%s has no loop device: start the disk resource that attaches it" % self.declared
        if self.declared.startswith("/"):
            return (
                "there is no device %s: start the disk resource that provides it, or look at its storage"
                % self.declared
            )
        return "no device with %s can be found" % self.declared


def will_be_carried(outlook: Outlook, path: str) -> bool:
    """Whether a folder above `path` is a mount point that this run is going to fill."""
    parts = path.split("/")
    return any(outlook.expects("/".join(parts[:count])) for count in range(2, len(parts)))


def describe(mount: Optional[Mount]) -> str:
    """A mount for a message: what it is, from where."""
    if mount is None:
        return "nothing"
    part = "" if mount.root == "/" else ", folder %s of it" % mount.root
    return "%s (%s%s)" % (mount.source, mount.type, part)
