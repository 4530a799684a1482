# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A file system of a service: ext2, ext3, ext4, xfs, btrfs, tmpfs, a folder bound elsewhere, or an export of a server."""

from __future__ import annotations

import os
import pwd
import stat
from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..definition.model import Definition, ResourceDefinition
from ..definition.mount_options import options
from ..node import block, files, filesystems, holders, mounts
from ..node.errors import NodeError, Undetermined
from ..node.filesystems import Root
from ..node.machine import Machine
from ..node.mounts import Mount as Mounted
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status
from .mount_check import MountCheck
from .mount_provision import MountProvision
from .mount_release import MountRelease
from .mount_source import MountSource, describe, will_be_carried

_CHECKED_TYPES = ("ext2", "ext3", "ext4")
_GUARDS = ("nosuid", "nodev", "noexec")
"""Options whose absence lets in what the definition wants to keep out."""
_MOUNT_ON = "mount on "


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
        self._check = MountCheck(machine, self.source, self.mnt, shared)
        self._release = MountRelease(machine, service, self.rid, self.source, self.mnt, values["umount_timeout"])
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
        top = mounts.on_top(self.mnt, table)
        if top is not None and self.source.is_mounted_as(top, table):
            return self._mounted(top)
        hidden = [mount for mount in table if mount.point == self.mnt and self.source.is_mounted_as(mount, table)]
        if hidden:
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
        drift = self._drift(mount) + (self._drift_of_root(root) if root else [])
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

    def _drift_of_root(self, root: Root) -> List[str]:
        try:
            wanted = self._wanted(root)
        except NodeError as error:
            return [str(error)]
        return [] if wanted == root else ["its root folder is %s instead of %s" % (_in_words(root), _in_words(wanted))]

    def _unguarded(self) -> List[Remark]:
        """That other nodes could mount it at the same time, where that is so and the device is there to tell."""
        try:
            device = self.source.device() if self._check.wants_guard else ""
            reason = self._check.unguarded(device) if device else ""
        except NodeError as error:
            return [Remark("warn", str(error))]
        return [Remark("error", reason)] if reason else []

    def _elsewhere(self) -> List[Remark]:
        """Where else the device is mounted, in this or any other mount namespace."""
        number = self.source.number() if self.source.is_block else ""
        if not number:
            return []
        found = []
        own = os.stat("/proc/self/ns/mnt").st_ino
        for namespace, (pid, table) in mounts.namespaces(1.0).items():
            for mount in table:
                if number in mounts.device_numbers(mount):
                    where = "" if namespace == own else ", in the mount namespace of %s" % holders.who(pid)
                    found.append(Remark("error", "the device is mounted on %s%s" % (mount.point, where)))
        return found

    # Up

    def check_start(self) -> None:
        self._refuse_former()
        self._wanted(Root(0, 0, 0))
        top = self._top()
        if top is None:
            self._check.before_start()
            return
        drift = self._drift(top)
        if drift:
            raise NodeError("%s: stop it, then start it" % "; ".join(drift))

    def start(self) -> bool:
        if self.imagined == UP:
            return False
        if self._top() is not None:
            self._refuse_of_others()
            self.claim(self._what)
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
        self.change(self._mount_command(device), self.values["mount_timeout"], self._undo_mount)
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
        if self.imagined is not None:
            return None
        table = mounts.table()
        top = mounts.on_top(self.mnt, table)
        return top if top is not None and self.source.is_mounted_as(top, table) else None

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
        """Raise NodeError unless exactly the declared device is on top now."""
        if self._top() is None:
            top = mounts.on_top(self.mnt)
            raise NodeError(
                "mount reported success, and %s is on %s instead of %s"
                % (describe(top), self.mnt, self.source.declared)
            )

    # The root folder of the file system

    def _wanted(self, root: Root) -> Root:
        """The root folder as it is declared; what is not declared stays as it is. Raises NodeError for an unknown name."""
        values = self.values
        return Root(
            uid=_user_id(values["user"]) if values["user"] else root.uid,
            gid=files.group_id(values["group"]) if values["group"] else root.gid,
            mode=int(values["perm"], 8) if values["perm"] else root.mode,
        )

    def _own(self) -> bool:
        """Give the root folder its owner, group and mode; whether anything was changed."""
        if not any(self.values[keyword] for keyword in ("user", "group", "perm")):
            return False
        now = self._imagined_root() if self.imagined == UP else _read_root(self.mnt)
        wanted = self._wanted(now)
        if now != wanted:
            self.way_back.append(partial(self._set_root, wanted, now))
            self._set_root(now, wanted)
        self._remember("root", [wanted.uid, wanted.gid, wanted.mode])
        return now != wanted

    def _imagined_root(self) -> Root:
        """The root folder as an earlier start has left it, or as a new file system has it."""
        if self.type == "tmpfs":
            return Root(0, 0, 0o1777)
        return Root(*(self._recorded("root") or [0, 0, 0o755]))

    def _set_root(self, now: Root, wanted: Root) -> None:
        run = self.machine.run
        if (now.uid, now.gid) != (wanted.uid, wanted.gid):
            argv = ["chown", "--no-dereference", "%d:%d" % (wanted.uid, wanted.gid), self.mnt]
            run.do(argv, partial(_change_root, self.mnt, wanted.uid, wanted.gid, None), self.rid)
        if now.mode != wanted.mode:
            argv = ["chmod", "%04o" % wanted.mode, self.mnt]
            run.do(argv, partial(_change_root, self.mnt, -1, -1, wanted.mode), self.rid)

    # Down

    def stop(self) -> bool:
        if self.imagined == DOWN:
            return False
        top = self._top()
        if top is not None:
            self._refuse_of_others()
        if top is not None and not self.machine.run.check_mode:
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
        if self._top() is not None:
            raise NodeError("%s is still mounted: stop it first" % self.label())
        changed = self._provision.destroy()
        changed = self._remove_folders([str(folder) for folder in self._recorded("folders")]) or changed
        if not self.machine.run.check_mode:
            self.machine.record.put("fs", self.rid, None)
        return changed


def _is_read_only(device: str) -> bool:
    """Whether a device cannot be written, so that a check could not repair anything. Source: sysfs, block/*/ro."""
    if not device:
        return False
    return (files.read_text("/sys/dev/block/%d:%d/ro" % block.number(device)) or "").strip() == "1"


def _user_id(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise NodeError("there is no user %s on this node" % name) from None


def _read_root(folder: str) -> Root:
    facts = os.lstat(folder)
    return Root(facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))


def _change_root(folder: str, uid: int, gid: int, mode: Optional[int]) -> None:
    """Change a folder through a descriptor that follows no link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if mode is None:
            os.fchown(descriptor, uid, gid)
        else:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _in_words(root: Root) -> str:
    return "%d:%d with mode %04o" % (root.uid, root.gid, root.mode)
