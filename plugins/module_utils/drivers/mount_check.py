# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Why a file system is not mounted: what would hide data, damage a file system that is in use, or undo the mount later."""

from __future__ import annotations

import os
import re
from typing import Iterator, List, Tuple

from ..definition.mount_options import NFS_TYPES
from ..node import block, files, filesystems, holders, loops, mounts
from ..node.errors import NodeError
from ..node.machine import Machine
from ..node.mounts import Mount
from .mount_siblings import Siblings
from .mount_source import MountSource, describe, will_be_carried

_FSTAB = "/etc/fstab"
_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system")
_FREE_WITHIN = 1.0
_OCTAL = re.compile(r"\\([0-7]{3})")


class MountCheck:
    """The questions before a mount. Each raises NodeError with the reason to refuse, and what to do about it."""

    def __init__(self, machine: Machine, source: MountSource, siblings: Siblings, mnt: str, shared: bool):
        self._machine = machine
        self._source = source
        self._siblings = siblings
        self._mnt = mnt
        self._shared = shared

    def before_start(self) -> None:
        """All that can be asked before anything of the service is up."""
        self.programs()
        self.boot()
        if not self._source.is_expected:
            self._source.check_present()
        if not will_be_carried(self._machine.outlook, self._mnt):
            self.point(mounts.table())
        device = self._source.device() if self._source.is_block and not self._source.is_expected else ""
        if device:
            self.device(device)

    def before_mount(self, device: str) -> None:
        """All that is true right before the mount only, when what comes first is up."""
        if self._source.is_expected:
            self.boot()
        self._source.check_present()
        self.point(mounts.table())
        if device:
            self.device(device)

    def programs(self) -> None:
        """The programs that a mount of this type needs are there."""
        kind = self._source.type
        helpers = ["mount." + kind] if kind in NFS_TYPES else ["e2fsck"] if kind.startswith("ext") else []
        filesystems.require("mount", "umount", *helpers)

    def point(self, table: List[Mount]) -> None:
        """The mount point is free: no link or foreign folder on the way, nothing mounted on it, nothing in it."""
        files.check_root_owned(self._mnt)
        top = mounts.on_top(self._mnt, table)
        if top is not None:
            raise NodeError(
                "%s is mounted on %s: it would be hidden; unmount it, or correct 'mnt' or 'dev'"
                % (describe(top), self._mnt)
            )
        covered = [mount for mount in table if mount.point == self._mnt]
        if covered:
            raise NodeError(
                "%s is mounted on %s and hidden by a later mount of a folder above it: unmount that first"
                % (describe(covered[-1]), self._mnt)
            )
        try:
            inside = sorted(os.listdir(self._mnt))
        except FileNotFoundError:
            return
        except OSError as error:
            raise NodeError("%s cannot be read: %s" % (self._mnt, error.strerror)) from error
        if inside:
            raise NodeError(
                "the folder %s is not empty (%s): the mount would hide that; move it away"
                % (self._mnt, ", ".join(inside[:3]) + (", ..." if len(inside) > 3 else ""))
            )

    def device(self, device: str) -> None:
        """Nobody else uses the device, it holds what is declared, and a shared one is guarded.

        `e2fsck` in a file system that is in use destroys it.
        """
        if not self._siblings.share(device) and not block.wait_until_free(device, _FREE_WITHIN):
            users = holders.of_device(*block.number(device))
            raise NodeError("%s is in use: %s" % (device, "; ".join(users) or "by whom cannot be seen from here"))
        twins = loops.twins(device)
        if twins:
            raise NodeError(
                "the file of %s has other loop devices (%s): the same storage could be in use there; detach them with "
                "'losetup --detach'" % (device, ", ".join(twins))
            )
        reason = self._unsuitable(device) or self.unguarded(device)
        if reason:
            raise NodeError(reason)

    def _unsuitable(self, device: str) -> str:
        """Why what lies on the device is not what is declared. An ext4 is mounted as an ext2 or ext3 as well, if it can be."""
        kind, declared = filesystems.facts(device).type, self._source.type
        if not kind:
            return "%s holds no file system: provision the service, or make one" % device
        if kind == declared or (kind.startswith("ext") and declared.startswith("ext")):
            return ""
        return "%s holds %s, and the section says %s: correct 'type' or 'dev'" % (device, kind, declared)

    @property
    def wants_guard(self) -> bool:
        """Whether other nodes see the file system, and its type has a guard against them."""
        return self._shared and self._source.type == "ext4"

    def unguarded(self, device: str) -> str:
        """Why an ext4 that other nodes see could be mounted there at the same time; an empty string when it cannot."""
        if not self.wants_guard or filesystems.has_mmp(device):
            return ""
        return (
            "%s can be mounted on several nodes at once, which destroys it: switch its protection on with "
            "'tune2fs -O mmp %s' while it is mounted nowhere, or declare 'shared: false'" % (device, device)
        )

    def boot(self) -> None:
        """Nothing else mounts this device or this point, at boot or behind our back."""
        for spec, point, options in _fstab_lines():
            if "noauto" in options:
                continue
            if point == self._mnt or self._is_same_device(spec):
                raise NodeError(
                    "%s mounts %s on %s at boot, on whatever node that is: remove the line, or give it the option noauto"
                    % (_FSTAB, spec, point)
                )
        if self._machine.host.systemd:
            for folder in _UNIT_FOLDERS:
                for suffix in (".mount", ".automount"):
                    unit = os.path.join(folder, unit_name(self._mnt) + suffix)
                    if os.path.lexists(unit):
                        raise NodeError(
                            "%s mounts %s, too, behind the back of the service: remove it" % (unit, self._mnt)
                        )

    def _is_same_device(self, spec: str) -> bool:
        """Whether a line of fstab means the declared device. Both are followed to their number when they are there."""
        if not self._source.is_block:
            return False
        if spec == self._source.declared:
            return True
        tag = spec.replace('"', "")
        if tag.startswith(("UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=")):
            paths = filesystems.devices_with(tag)
        else:
            paths = [spec] if spec.startswith("/dev/") and os.path.exists(spec) else []
        device = self._source.device() if paths else ""
        return bool(device) and block.number(device) in map(block.number, paths)


def unit_name(point: str) -> str:
    """The name that systemd gives to the unit of a mount point. Source: systemd.unit(5), string escaping."""
    name = ""
    for char in point.strip("/"):
        if char == "/":
            name += "-"
        elif re.fullmatch("[A-Za-z0-9:_]", char) or (char == "." and name):
            name += char
        else:
            name += "".join("\\x%02x" % byte for byte in char.encode())
    return name


def _fstab_lines() -> Iterator[Tuple[str, str, List[str]]]:
    """The device, the mount point and the options of each line. Source: fstab(5)."""
    for line in (files.read_text(_FSTAB) or "").splitlines():
        fields = line.split()
        if len(fields) >= 2 and not fields[0].startswith("#"):
            spec, point = (_OCTAL.sub(lambda match: chr(int(match.group(1), 8)), field) for field in fields[:2])
            yield spec, point.rstrip("/") or "/", fields[3].split(",") if len(fields) > 3 else []
