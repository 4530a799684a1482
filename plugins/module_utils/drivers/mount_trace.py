# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a service has mounted itself, as its claim remembers it.

The name in the definition is no proof for ever: a link below /dev moves, a folder is renamed, a definition is changed, and
one tmpfs looks like another. What is remembered belongs to one boot, and tells a mount from what a stranger mounts later,
although the kernel uses the numbers of devices and mounts again.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Tuple

from ..definition.mount_options import BLOCK_TYPES
from ..node import block, clock, filesystems, holders, mounts
from ..node.errors import NodeError, Undetermined
from ..node.machine import Machine
from ..node.mounts import Mount, Namespaces
from ..node.record import CLAIMS
from .mount_source import MountSource

DECLARED = "declared"
"""What the definition says."""
REMEMBERED = "remembered"
"""What this service has mounted, and the definition does not mean any more."""
FOREIGN = "foreign"
"""A tmpfs that looks like the declared one, and was not mounted by this service."""
OTHER = "other"
"""Something else."""


class MountTrace:
    """The memory of one mount on the mount point `mnt`, which is claimed as `what`. A look ends after `deadline` seconds."""

    def __init__(self, machine: Machine, rid: str, what: str, mnt: str, source: MountSource, deadline: float):
        self._machine = machine
        self._rid = rid
        self._what = what
        self._mnt = mnt
        self._source = source
        self._deadline = deadline
        self._seen: Dict[str, Any] = {}

    def begin(self) -> None:
        """Remember that a mount is about to be made, and nothing of an earlier one."""
        self._put({"boot": clock.boot_id()})

    def keep(self, mount: Mount) -> None:
        """Remember the mount that is visible at the mount point. Raises Undetermined when it does not answer."""
        number = "".join(sorted(self._source.numbers() & mounts.device_numbers(mount))[:1])
        self._put({**self._facts(mount, number), "type": self._source.type, "block": number, "root": mount.root})

    def judge(self, mount: Mount, table: List[Mount]) -> str:
        """What a mount on the mount point is. Raises NodeError when what is declared is no device, or cannot be told."""
        try:
            is_declared = self._source.is_mounted_as(mount, table)
        except NodeError:
            if self._is_remembered(mount, table):
                return REMEMBERED
            raise
        if is_declared and self._source.type == "tmpfs":
            known = self._known()
            is_own = self._is_remembered(mount, table) if "device" in known else bool(known)
            return DECLARED if is_own else FOREIGN
        if is_declared:
            return DECLARED
        return REMEMBERED if self._is_remembered(mount, table) else OTHER

    def is_unfinished(self) -> bool:
        """Whether a mount was begun in this boot, and is not known to have been made: what is there may be ours."""
        known = self._known()
        return bool(known) and "device" not in known

    def number(self) -> str:
        """The number of the block device that was mounted, an empty string when there was none or it is gone."""
        known = self._known()
        number = str(known.get("block") or "")
        there = bool(number) and os.path.exists("/sys/dev/block/" + number)
        return number if there and block.sequence(number) == known["sequence"] else ""

    def root(self) -> str:
        """The folder of the file system that was mounted, as it was called then; an empty string when it is not known."""
        return str(self._known().get("root") or "")

    def left_in(self, namespaces: Namespaces) -> Iterator[Tuple[int, Mount]]:
        """Where it still is, in whatever mount namespace: the pid of a process there, and the mount."""
        known, number = self._known(), self.number()
        for pid, table in namespaces.values():
            for mount in table:
                on_device = bool(number) and number in mounts.device_numbers(mount)
                if on_device or (mount.device == known.get("device") and self._lives_in(known, pid, mount, table)):
                    yield pid, mount

    # Parts

    def _known(self) -> Dict[str, Any]:
        """What is remembered of this boot, also under an earlier number of the resource; empty when there is nothing.

        After a stop that has forgotten it, its evidence asks again.
        """
        record = self._machine.record
        for rid in [self._rid, *record.keys(CLAIMS)]:
            claim = record.get(CLAIMS, rid)
            if isinstance(claim, dict) and claim.get("what") == self._what:
                known = claim.get("mount") or {"boot": claim.get("boot")}
                if isinstance(known, dict) and known.get("boot") == clock.boot_id():
                    self._seen = known
                    break
        return self._seen

    def _put(self, mount: Dict[str, Any]) -> None:
        record = self._machine.record
        claim = record.get(CLAIMS, self._rid)
        if isinstance(claim, dict):
            record.put(CLAIMS, self._rid, {**claim, "mount": mount})

    def _facts(self, mount: Mount, number: str) -> Dict[str, Any]:
        """What tells a mount that is visible from every later one. Its own number does so where nothing better is there."""
        try:
            inode, system = filesystems.identity(self._mnt, self._deadline)
        except Undetermined:
            raise
        except NodeError:
            inode, system = "", ""
        sequence = block.sequence(number or mount.device)
        is_unique = bool(sequence) or system.strip("0") != ""
        return {
            "boot": clock.boot_id(),
            "device": mount.device,
            "sequence": sequence,
            "inode": inode,
            "system": system,
            "id": 0 if is_unique else mount.id,
        }

    def _is_remembered(self, mount: Mount, table: List[Mount]) -> bool:
        known = self._known()
        if known.get("device") != mount.device or mount.point != self._mnt:
            return False
        if mounts.on_top(self._mnt, table) != mount:
            return True  # it cannot be looked at, and nothing is done to what is hidden
        facts = self._facts(mount, str(known["block"]))
        return all(known.get(name) == value for name, value in facts.items())

    def _lives_in(self, known: Dict[str, Any], pid: int, mount: Mount, table: List[Mount]) -> bool:
        """Whether a mount with the remembered number is the tmpfs, wherever it is, or the folder at its own place.

        Of an export, as of a folder, only its own place counts: others mount the same.
        """
        is_tmpfs = known["type"] == "tmpfs"
        if known["type"] in BLOCK_TYPES or (mount.type != "tmpfs" if is_tmpfs else mount.point != self._mnt):
            return False
        if mounts.on_top(mount.point, table) != mount:
            return True
        try:
            inode, system = filesystems.identity("/proc/%d/root%s" % (pid, mount.point), self._deadline)
        except Undetermined:
            raise
        except NodeError:
            return True
        return bool(system == known["system"] if is_tmpfs else inode == known["inode"])


def namespace_of(pid: int, namespaces: Namespaces) -> str:
    """In which mount namespace a mount is, for a message; empty for our own."""
    own = namespaces.get(os.stat("/proc/self/ns/mnt").st_ino)
    return "" if own is not None and own[0] == pid else ", in the mount namespace of %s" % holders.who(pid)
