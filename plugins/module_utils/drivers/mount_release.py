# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Unmounting, and the proof that nobody holds the file system any more. Nobody is killed, and nothing is detached lazily."""

from __future__ import annotations

import os
import time
from typing import Dict, List, Set

from ..definition.model import Definition
from ..node import block, holders, mounts
from ..node.commands import execute
from ..node.errors import NodeError
from ..node.machine import Machine
from ..node.mounts import Mount
from .mount_siblings import Siblings
from .mount_source import MountSource, describe
from .mount_trace import DECLARED, REMEMBERED, MountTrace, namespace_of

_COMMAND_DEADLINE = 60.0
_FREE_WITHIN = 3.0
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)


class MountRelease:
    """The way down of one file system. `patience` is how long to wait for those who still use it, in seconds."""

    def __init__(
        self,
        machine: Machine,
        service: Definition,
        rid: str,
        source: MountSource,
        trace: MountTrace,
        siblings: Siblings,
        mnt: str,
        patience: float,
    ):
        self._machine = machine
        self._service = service
        self._rid = rid
        self._source = source
        self._trace = trace
        self._siblings = siblings
        self._mnt = mnt
        self._patience = patience
        self._freed = ""
        """The devices that were found free at the end of a stop. Their disk may be stopped when the evidence is asked for."""

    def release(self) -> bool:
        """Unmount what is declared, or was mounted before, and prove that it is free; whether there was anything to unmount.

        A file system that is not mounted here, but held by somebody elsewhere, is not released either. Raises NodeError.
        """
        table = mounts.table()
        ours = self._ours(table)
        if ours:
            self._refuse(table, ours)
            for mount in [*self._self_binds(table, ours[-1]), *reversed(ours)]:
                self._umount(mount)
        if not self._machine.run.check_mode:
            self.prove()
        return bool(ours)

    def prove(self) -> Dict[str, str]:
        """The evidence of the release, by kind. Raises NodeError with the names of those who hold it.

        Those have as long as for the umount: where mounts are private, a container runtime that makes a container of another
        service has a copy of every mount of the node for a moment.
        """
        left = self._ours(mounts.table())
        if left:
            raise NodeError("%s is still mounted on %s" % (describe(left[-1]), self._mnt))
        wait = max(_FREE_WITHIN, self._patience)
        devices = self._devices()
        shared = [device for device in devices if self._siblings.share(device)]
        for device in devices:
            if device not in shared and not block.wait_until_free(device, wait):
                users = holders.of_device(*block.number(device))
                raise NodeError(
                    "%s is not mounted on %s any more and still in use: %s; end that, then stop again"
                    % (device, self._mnt, "; ".join(users) or "by whom cannot be seen from here")
                )
        evidence = {"mounts": self._no_mount_left(wait)}
        if shared:
            evidence["device"] = "%s is in use by other file systems of the service alone" % " and ".join(shared)
        elif devices:
            self._freed = " and of ".join(devices)
            evidence["device"] = "an exclusive open of %s succeeded" % self._freed
        elif self._freed:
            evidence["device"] = "an exclusive open of %s succeeded, then the device was given up" % self._freed
        elif self._source.is_block:
            evidence["device"] = "this node has no device of %s" % self._source.declared
        return evidence

    # Parts

    def _devices(self) -> List[str]:
        """The devices that have to be free: what this service has mounted, and what is declared when that is not it."""
        number, declared = self._trace.number(), self._source.devices()
        if not number:
            return declared
        same = [device for device in declared if self._source.number_of(device) == number]
        return same or [*declared, block.path_of(number)]

    def _ours(self, table: List[Mount]) -> List[Mount]:
        """What is declared, or was mounted by this service, on the declared mount point, the top one last."""
        return [
            mount
            for mount in table
            if mount.point == self._mnt and self._trace.judge(mount, table) in (DECLARED, REMEMBERED)
        ]

    def _refuse(self, table: List[Mount], ours: List[Mount]) -> None:
        """Raise NodeError, before the first change, for mounts on top of it or in it that are not its own."""
        top = mounts.on_top(self._mnt, table)
        if top is None:
            above = mounts.carrying(self._mnt, table)
            raise NodeError(
                "the mount on %s is hidden by %s on %s: unmount that first"
                % (self._mnt, describe(above), above.point if above else "?")
            )
        if top not in ours:
            raise NodeError("%s is mounted on top of it, on %s: unmount that first" % (describe(top), self._mnt))
        own = self._self_binds(table, ours[-1])
        strangers = [
            mount for mount in mounts.below(self._mnt) if mount not in own and not self._will_be_gone(mount.point)
        ]
        if strangers:
            names = ", ".join("%s on %s" % (describe(mount), mount.point) for mount in strangers[:5])
            raise NodeError("other file systems are mounted in it: %s; unmount them first" % names)

    def _self_binds(self, table: List[Mount], own: Mount) -> List[Mount]:
        """Folders of the file system that are mounted on themselves, deepest first: what a killed dockerd leaves behind."""
        return [
            mount
            for mount in mounts.below(self._mnt)
            if mount.device == own.device
            and mount.root == os.path.normpath(os.path.join(own.root, os.path.relpath(mount.point, own.point)))
            and not self._will_be_gone(mount.point)
        ]

    def _will_be_gone(self, point: str) -> bool:
        """Whether, in check mode, a step before this one would have unmounted it: a deeper resource, or the daemon."""
        if not self._machine.run.check_mode:
            return False
        points = [resource.values["mnt"] for resource in self._service.resources if resource.group == "fs"]
        places = [place for place in points if place != self._mnt] + [self._service.values["docker_data_dir"] or "-"]
        return any((point + "/").startswith(place + "/") for place in places)

    def _umount(self, mount: Mount) -> None:
        """Unmount one mount; one that is busy is tried again until the patience ends. Noted as one command."""
        self._machine.run.do(["umount", mount.point], lambda: self._try_umount(mount), self._rid)

    def _try_umount(self, mount: Mount) -> None:
        end = time.monotonic() + self._patience
        pauses = iter(_PAUSES)
        pause = 0.0
        while True:
            result = execute(["umount", mount.point], _COMMAND_DEADLINE)
            if result.rc == 0 or all(other.id != mount.id for other in mounts.table()):
                return
            if "busy" not in result.stderr:
                raise NodeError(
                    "%s cannot be unmounted: umount ended with %d: %s" % (mount.point, result.rc, result.stderr)
                )
            left = end - time.monotonic()
            if left <= 0:
                users = holders.of_mount(mount) or ["by whom cannot be seen from here"]
                raise NodeError(
                    "%s cannot be unmounted, it is in use: %s; end them, then stop again"
                    % (mount.point, "; ".join(users))
                )
            pause = next(pauses, pause)
            time.sleep(min(pause, left))

    def _no_mount_left(self, wait: float) -> str:
        """That no mount namespace has it, in words, at the latest after so many seconds. Raises NodeError with who has it."""
        end = time.monotonic() + wait
        while True:
            namespaces = mounts.namespaces()
            left = self._left_in(namespaces)
            if not left:
                count = len(namespaces)
                return "not mounted in %s" % (
                    "the only mount namespace" if count == 1 else "any of %d mount namespaces" % count
                )
            if time.monotonic() >= end:
                raise NodeError(left)
            time.sleep(_PAUSES[0])

    def _left_in(self, namespaces: mounts.Namespaces) -> str:
        """Which process still has it mounted, in words; empty when none has."""
        own = mounts.table()
        numbers = {self._source.number_of(device) for device in self._devices()}
        left = [
            (pid, mount) for pid, table in namespaces.values() for mount in table if self._is_left(mount, numbers, own)
        ]
        for pid, mount in [*left, *self._trace.left_in(namespaces)]:
            if self._siblings.own(mount):
                continue
            where = namespace_of(pid, namespaces)
            return "%s is still mounted on %s%s" % (describe(mount), mount.point, where)
        return ""

    def _is_left(self, mount: Mount, numbers: Set[str], own: List[Mount]) -> bool:
        """Whether it is on one of the devices, anywhere, or the bound folder or export, at the same mount point.

        `own` are our mounts. Of a tmpfs only the memory of its mount tells.
        """
        if self._source.is_block:
            return not numbers.isdisjoint(mounts.device_numbers(mount))
        return self._source.type != "tmpfs" and mount.point == self._mnt and self._source.is_mounted_as(mount, own)
