# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The commands that change LVM. None of them is forced, and none is told to go on with missing disks."""

from __future__ import annotations

from typing import Sequence

from .commands import Runner

_DEADLINE = 120.0
"""Longer than LVM itself tries again, and than its lock is held by another command."""
_CREATION_DEADLINE = 300.0


class Changes:
    """Changes in the name of one resource. All of them raise CommandFailed."""

    def __init__(self, run: Runner, rid: str):
        self._run = run
        self._rid = rid

    def _change(self, argv: Sequence[str], deadline: float = _DEADLINE) -> None:
        self._run.change(argv, deadline, self._rid)

    # A group

    def add_tag(self, group: str, tag: str) -> None:
        """Write a tag into the metadata of a group. There it is without the sign, see lvm(8)."""
        self._change(["vgchange", "--addtag", "@" + tag, group])

    def delete_tag(self, group: str, tag: str) -> None:
        """Take a tag out of the metadata of a group."""
        self._change(["vgchange", "--deltag", "@" + tag, group])

    def forbid_autoactivation(self, group: str) -> None:
        """Keep the boot of every node from activating the group. LVM fails when that is so already."""
        self._change(["vgchange", "--setautoactivation", "n", group])

    def activate(self, group: str) -> None:
        """Activate all volumes of a group, but those that are marked to be skipped."""
        self._change(["vgchange", "--activate", "y", group])

    def deactivate(self, group: str) -> None:
        """Deactivate all volumes of a group that nobody uses. LVM fails when some are left."""
        self._change(["vgchange", "--activate", "n", group])

    def create_group(self, group: str, devices: Sequence[str], tag: str, guarded: bool, options: Sequence[str]) -> None:
        """Make a group on devices that hold nothing, in one step. LVM refuses what it has to ask about."""
        guard = ["--setautoactivation", "n"] if guarded else []
        self._change(["vgcreate", "--addtag", "@" + tag, *guard, *options, group, *devices], _CREATION_DEADLINE)

    def remove_group(self, group: str) -> None:
        """Remove a group without volumes."""
        self._change(["vgremove", group])

    def forget_disks(self, devices: Sequence[str]) -> None:
        """Wipe the labels of physical volumes that belong to no group."""
        self._change(["pvremove", *devices])

    # A volume

    def activate_volumes(self, group: str, names: Sequence[str]) -> None:
        """Activate some volumes of a group."""
        self._change(["lvchange", "--activate", "y", *("%s/%s" % (group, name) for name in names)])

    def deactivate_volumes(self, group: str, names: Sequence[str]) -> None:
        """Deactivate some volumes of a group. LVM fails when somebody uses one."""
        self._change(["lvchange", "--activate", "n", *("%s/%s" % (group, name) for name in names)])

    def create_volume(self, group: str, name: str, size: str, tag: str, options: Sequence[str] = ()) -> None:
        """Make a volume. `size` is in bytes or such as 50%FREE. Old signatures in its free space are wiped."""
        measure = ["--extents", size] if "%" in size else ["--size", size + "b"]
        wipe = [] if any(_is_about_wiping(option) for option in options) else ["--wipesignatures", "y", "--zero", "y"]
        argv = ["lvcreate", "--yes", *wipe, "--addtag", "@" + tag, *options, "--name", name, *measure, group]
        self._change(argv, _CREATION_DEADLINE)

    def remove_volume(self, group: str, name: str) -> None:
        """Remove a volume that is not active, and the snapshots of it."""
        self._change(["lvremove", "--yes", "%s/%s" % (group, name)])


def _is_about_wiping(option: str) -> bool:
    """Whether an option of lvcreate says what to wipe, or asks for a type of volume that LVM does not wipe."""
    return option.startswith(("-W", "-Z", "--wipe", "--zero", "--type", "-T", "--thin"))


def leaves_inactive(options: Sequence[str]) -> bool:
    """Whether lvcreate with these options does not activate the new volume."""
    words = " ".join(options).replace("=", " ").split()
    pairs = list(zip(words, [*words[1:], ""]))
    return "-an" in words or any(pair in (("-a", "n"), ("--activate", "n")) for pair in pairs)
