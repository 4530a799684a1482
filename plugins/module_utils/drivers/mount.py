# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A file system of a service: ext2, ext3, ext4, xfs, btrfs, tmpfs, a folder bound elsewhere, or an export of a server."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..definition.model import Definition, ResourceDefinition
from ..definition.mount_options import options
from ..node import block, files, filesystems, mounts
from ..node.errors import NodeError, Undetermined
from ..node.filesystems import Root
from ..node.machine import Machine
from ..node.mounts import Mount as Mounted
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status
from .mount_check import MountCheck
from .mount_provision import MountProvision
from .mount_release import MountRelease
from .mount_root import RootFolder
from .mount_siblings import Siblings
from .mount_source import MountSource, describe, will_be_carried
from .mount_trace import DECLARED, FOREIGN, OTHER, REMEMBERED, MountTrace, namespace_of

_CHECKED_TYPES = ("ext2", "ext3", "ext4")
_GUARDS = ("nosuid", "nodev", "noexec")
"""Options whose absence lets in what the definition wants to keep out."""
_MOUNT_ON = "mount on "
_MOUNTED_ANYWAY = (16,)
"""The exit code when it is mounted, and a list of mounts could not be written. Source: mount(8)."""


class Mount(Driver):
    """One file system on its mount point."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        values = self.values
        self.mnt: str = values["mnt"]
        self._what = _MOUNT_ON + self.mnt
        self.type = definition.type
        self.source = MountSource(values, machine.outlook)
        shared = service.failover if values["shared"] is None else bool(values["shared"])
        self._trace = MountTrace(machine, self.rid, self._what, self.mnt, self.source, values["stat_timeout"])
        self._siblings = Siblings(machine, service, self.rid, self.source, self._trace)
        self._check = MountCheck(machine, self.source, self._siblings, self.mnt, shared)
        self._release = MountRelease(
            machine, service, self.rid, self.source, self._trace, self._siblings, self.mnt, values["umount_timeout"]
        )
        self._root = RootFolder(machine.run, self.rid, self.mnt, values)
        self._provision = MountProvision(machine, self.rid, service.id, values, self.source, shared)

    def label(self) -> str:
        return "%s@%s" % (self.source.declared, self.mnt)

    def provides(self) -> Tuple[str, ...]:
        return (self.mnt,)

    def needs(self) -> Tuple[str, ...]:
        parent = os.path.dirname(self.mnt)
        return (self.source.declared, parent) if self.source.is_path else (parent,)

    # What it is now

    def status(self) -> Status:
        if self.imagined is not None:
            return Status(self.imagined, self.label())
        table = mounts.table()
        top, kind = self._visible(table)
        if top is not None and kind == DECLARED:
            return self._mounted(top)
        if top is not None and kind in (REMEMBERED, FOREIGN):
            return Status(WARN, self.label(), [Remark("error", self._mistaken(top, kind)), *self._elsewhere()])
        kinds = [self._trace.judge(mount, table) for mount in table if mount.point == self.mnt]
        if DECLARED in kinds or REMEMBERED in kinds:
            cover = top or mounts.carrying(self.mnt, table)
            text = "is mounted, and hidden by %s on %s" % (describe(cover), cover.point if cover else "?")
            return Status(WARN, self.label(), [Remark("error", text)], {"hidden": True})
        remarks = self._elsewhere() + self._unguarded()
        former = self._former()
        if former:
            remarks.append(Remark("error", former))
        if top is not None:
            remarks.append(Remark("error", "%s is mounted on %s instead" % (describe(top), self.mnt)))
        return Status(DOWN, self.label(), remarks)

    def _mounted(self, mount: Mounted) -> Status:
        """Up, or warn with what is wrong. Raises Undetermined when the file system does not answer."""
        try:
            root: Optional[Root] = self._look()
            problems = []
        except Undetermined:
            raise
        except NodeError as error:
            root, problems = None, [Remark("error", str(error))]
        drift = self._drift(mount) + (self._root.drift(root) if root else [])
        problems += [Remark("warn", text) for text in drift]
        status = Status(WARN if problems else UP, self.label(), problems)
        if self.source.is_block:
            status.remarks += self._unguarded()
            status.facts["device"] = mount.device
        return status

    def _look(self) -> Root:
        device = self.source.device() if self.source.is_block else ""
        return filesystems.look(self.mnt, self.values["stat_timeout"], device)

    def _drift(self, mount: Mounted) -> List[str]:
        """What is not as declared and only another mount mends: the type, the options."""
        declared = options(self.values)
        texts = []
        if self.source.is_block and mount.type != self.type:
            texts.append("is mounted as %s" % mount.type)
        if mount.read_only and "ro" not in declared:
            texts.append("is read-only: the kernel makes it so after an error of the storage, see dmesg")
        if not mount.read_only and "ro" in declared:
            texts.append("can be written, though it is declared ro")
        missing = [word for word in _GUARDS if word in declared and word not in mount.options]
        if missing:
            texts.append("is mounted without %s" % ",".join(missing))
        return texts

    def _unguarded(self) -> List[Remark]:
        """That other nodes could mount it at the same time, where that is so and the device is there to tell."""
        try:
            device = self.source.device() if self._check.wants_guard else ""
            reason = self._check.unguarded(device) if device else ""
        except NodeError as error:
            return [Remark("warn", str(error))]
        return [Remark("error", reason)] if reason else []

    def _elsewhere(self) -> List[Remark]:
        """Where else the device is mounted, or what the service has mounted before, in this or any other mount namespace."""
        number, found = "", []
        try:
            number = self.source.number() if self.source.is_block else ""
        except Undetermined:
            raise
        except NodeError as error:
            found = [str(error)]
        namespaces = mounts.namespaces(1.0)
        found += [
            "the device is mounted on %s%s" % (mount.point, namespace_of(pid, namespaces))
            for pid, table in namespaces.values()
            for mount in table
            if number and number in mounts.device_numbers(mount) and not self._siblings.own(mount)
        ]
        if not number or self._trace.number() != number:
            found += self._strayed(namespaces)
        return [Remark("error", text) for text in found]

    def _strayed(self, namespaces: mounts.Namespaces) -> List[str]:
        """Where what the service has mounted on the mount point is now, besides that."""
        return [
            "%s, which this service has mounted, is on %s%s" % (describe(mount), mount.point, where)
            for pid, mount in self._trace.left_in(namespaces)
            for where in [namespace_of(pid, namespaces)]
            if (where or mount.point != self.mnt) and not self._siblings.own(mount)
        ]

    def _mistaken(self, mount: Mounted, kind: str) -> str:
        """What is wrong with a mount on the mount point that looks like ours, or is, and what to do."""
        if kind == FOREIGN:
            text = "%s is mounted on %s, and nothing tells that this service has mounted it: when it is not needed, 'umount %s'"
            return text % (describe(mount), self.mnt, self.mnt)
        text = "%s is mounted on %s, as this service has done it, and is not what the definition names now: stop it"
        return text % (describe(mount), self.mnt)

    # Up

    def check_start(self) -> None:
        self._refuse_former()
        self._root.wanted(Root(0, 0, 0))
        top, kind = self._at_point()
        if top is None or kind != DECLARED:
            if top is not None and kind != OTHER:
                raise NodeError(self._mistaken(top, kind))
            self._check.before_start()
            strayed = self._strayed(mounts.namespaces()) if self.imagined is None else []
            if strayed:
                raise NodeError("%s: unmount it there, or move it back" % strayed[0])
            return
        drift = self._drift(top)
        if drift:
            raise NodeError("%s: stop it, then start it" % "; ".join(drift))

    def start(self) -> bool:
        if self.imagined == UP:
            return False
        top = self._top()
        if top is not None:
            self._refuse_of_others()
            self.claim(self._what)
            self._trace.keep(top)
            return self._own()
        run = self.machine.run
        found = self.source.device() if self.source.is_block else ""
        device = self.source.argument(found, run.check_mode)
        if not (run.check_mode and self._is_imaginary()):
            self._check.before_mount(found)
        if self.imagined is None:
            self._make_folder()
        if self.type in _CHECKED_TYPES and not _is_read_only(found):
            remark = filesystems.check(run, self.rid, device, self.values["check_timeout"])
            if remark:
                run.journal.remark(self.rid, remark, "warn")
        self.claim(self._what)
        self.keep_claim()
        self._trace.begin()
        self.change(self._mount_command(device), self.values["mount_timeout"], self._undo_mount, _MOUNTED_ANYWAY)
        if run.check_mode:
            self.imagined = UP
            self.machine.outlook.unmounted.discard(self.mnt)
        else:
            self._verify()
            self._remember("mnt", [self.mnt])  # that it is there is not to be seen before what carries it is mounted
        self._own()
        return True

    def _top(self) -> Optional[Mounted]:
        """The declared file system when it is visible at the mount point."""
        top, kind = self._at_point()
        return top if kind == DECLARED else None

    def _at_point(self) -> Tuple[Optional[Mounted], str]:
        """What is visible at the mount point, and what that is to the service; nothing where check mode imagines."""
        return self._visible([] if self.imagined is not None else mounts.table())

    def _visible(self, table: List[Mounted]) -> Tuple[Optional[Mounted], str]:
        top = mounts.on_top(self.mnt, table)
        return top, OTHER if top is None else self._trace.judge(top, table)

    def _mount_command(self, device: str) -> List[str]:
        words = options(self.values)
        if self.type == "tmpfs" and self.values["size"]:
            words.append("size=%d" % self.values["size"])
        argv = ["mount", "-t", self.type]
        if self.type == "bind":
            argv, words = ["mount", "--bind"], [word for word in words if word not in ("defaults", "rw")]
        return argv + (["-o", ",".join(words)] if words else []) + [device, self.mnt]

    def _is_imaginary(self) -> bool:
        """Whether check mode has come to a device, a parent folder or a free mount point that is only imagined."""
        return self.imagined is not None or will_be_carried(self.machine.outlook, self.mnt) or self.source.is_expected

    def _make_folder(self) -> None:
        """Make the mount point and the folders above it; remembered, so that unprovision may remove what was made here."""
        missing = []
        folder = self.mnt
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        made = self._recorded("folders")
        known = bool(made) or self._recorded("mnt") == [self.mnt]
        if not missing or (self.machine.run.check_mode and known and will_be_carried(self.machine.outlook, self.mnt)):
            return
        self._remember("folders", sorted({*made, *missing}, reverse=True))
        argv = ["install", "-d", "-m", "0755", "-o", "root", "-g", "root", self.mnt]
        self.way_back.append(partial(self._remove_folders, missing))
        self.machine.run.do(argv, lambda: files.make_folder(self.mnt, 0o755), self.rid)

    def _recorded(self, key: str) -> List[Any]:
        """What an earlier run has remembered, an empty list when there is nothing."""
        entry = self.machine.record.get("fs", self.rid)
        return list(entry.get(key) or []) if isinstance(entry, dict) else []

    def _remember(self, key: str, value: List[Any]) -> None:
        entry = self.machine.record.get("fs", self.rid)
        self.machine.record.put("fs", self.rid, {**(entry if isinstance(entry, dict) else {}), key: value})

    def _verify(self) -> None:
        """Raise NodeError unless exactly the declared device is on top now, and remember it."""
        top, kind = self._at_point()
        if top is None or kind != DECLARED:
            raise NodeError(
                "mount reported success, and %s is on %s instead of %s"
                % (describe(top), self.mnt, self.source.declared)
            )
        self._trace.keep(top)

    # The root folder of the file system

    def _own(self) -> bool:
        """Give the root folder its owner, group and mode; whether anything was changed."""
        if not self._root.is_declared:
            return False
        now = self._imagined_root() if self.imagined == UP else self._root.read()
        wanted = self._root.wanted(now)
        if now != wanted:
            self.way_back.append(partial(self._root.set, wanted, now))
            self._root.set(now, wanted)
        self._remember("root", [wanted.uid, wanted.gid, wanted.mode])
        return now != wanted

    def _imagined_root(self) -> Root:
        """The root folder as an earlier start has left it, or as a new file system has it."""
        if self.type == "tmpfs":
            return Root(0, 0, 0o1777)
        return Root(*(self._recorded("root") or [0, 0, 0o755]))

    # Down

    def stop(self) -> bool:
        if self.imagined == DOWN:
            return False
        top, kind = self._at_point()
        if kind != OTHER:
            self._refuse_of_others()
        if top is not None and (kind == FOREIGN or (kind == OTHER and self._trace.is_unfinished())):
            raise NodeError(self._mistaken(top, FOREIGN))
        if top is not None and kind == DECLARED and not self.machine.run.check_mode:
            if self._trace.is_unfinished():
                self._trace.keep(top)
            try:
                self._look()
            except Undetermined:
                raise
            except NodeError as error:
                self.machine.run.journal.remark(self.rid, "%s: unmounted all the same" % error, "warn")
        self._refuse_former()
        changed = self._release.release()
        self.disclaim(self._what)
        if self.machine.run.check_mode:
            self.imagined = DOWN
            self.machine.outlook.unmounted.add(self.mnt)
        return changed

    def _refuse_of_others(self) -> None:
        """Raise NodeError when another service of this node has mounted it."""
        self.refuse_of_others(self._what, "%s was mounted" % self.mnt)

    def _refuse_former(self) -> None:
        former = self._former()
        if former:
            raise NodeError(former)

    def _former(self) -> str:
        """Where an earlier definition of the service has mounted it, when something is still there; empty when nothing is."""
        point = self.machine.record.claimed(self.rid).partition(_MOUNT_ON)[2]
        if not point or point == self.mnt or not mounts.on_top(point, mounts.table()):
            return ""
        return "an earlier definition of it is mounted on %s: stop the service with that, or unmount it" % point

    def evidence(self) -> Dict[str, str]:
        return self._release.prove()

    def _undo_mount(self) -> bool:
        """Unmount what this run has mounted, also when the mount came after its deadline; whether there was anything."""
        ours = self._top() is not None and not self.machine.owner_of(self.rid, self._what)
        return ours and self._release.release()

    def _remove_folders(self, folders: Sequence[str]) -> bool:
        """Remove those that are empty and no mount points, deepest first; whether there were any."""
        removed: List[str] = []
        gone = tuple(point + "/" for point in self.machine.outlook.unmounted)
        for folder in folders:
            if not folder.startswith(gone) and os.path.isdir(folder) and self._is_empty(folder, removed):
                self.machine.run.do(["rmdir", folder], partial(os.rmdir, folder), self.rid)
                removed.append(folder)
        return bool(removed)

    def _is_empty(self, folder: str, removed: Sequence[str]) -> bool:
        """Whether nothing is in a folder and nothing on it; in check mode after what it has imagined to be gone."""
        if os.path.ismount(folder):
            return folder == self.mnt and self.imagined == DOWN
        return not {os.path.join(folder, name) for name in os.listdir(folder)} - set(removed)

    # Making and destroying

    def provision(self) -> bool:
        return False if self._top() is not None else self._provision.make()

    def unprovision(self) -> bool:
        top, kind = self._at_point()
        if top is not None and kind != OTHER:
            raise NodeError("%s is still mounted on %s: stop it first" % (describe(top), self.mnt))
        changed = self._provision.destroy()
        changed = self._remove_folders([str(folder) for folder in self._recorded("folders")]) or changed
        if not self.machine.run.check_mode:
            self.machine.record.put("fs", self.rid, None)
        return changed


def _is_read_only(device: str) -> bool:
    """Whether a device cannot be written, so that a check could not repair anything. Source: sysfs, block/*/ro."""
    if not device:
        return False
    return files.kernel_text("/sys/dev/block/%d:%d/ro" % block.number(device)) == "1"
