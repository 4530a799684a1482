# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The root folder of a mounted file system: its owner, group and mode, as far as they are declared."""

from __future__ import annotations

import os
import pwd
import stat
from functools import partial
from typing import Any, List, Mapping, Optional

from ..node import files
from ..node.commands import Runner
from ..node.errors import NodeError
from ..node.filesystems import Root


class RootFolder:
    """The folder that is seen at the mount point `mnt`."""

    def __init__(self, run: Runner, rid: str, mnt: str, values: Mapping[str, Any]):
        self._run = run
        self._rid = rid
        self._mnt = mnt
        self._values = values

    @property
    def is_declared(self) -> bool:
        """Whether anything is said about it."""
        return any(self._values[keyword] for keyword in ("user", "group", "perm"))

    def wanted(self, root: Root) -> Root:
        """It as it is declared; what is not declared stays as it is. Raises NodeError for an unknown name."""
        values = self._values
        return Root(
            uid=_user_id(values["user"]) if values["user"] else root.uid,
            gid=files.group_id(values["group"]) if values["group"] else root.gid,
            mode=int(values["perm"], 8) if values["perm"] else root.mode,
        )

    def drift(self, root: Root) -> List[str]:
        """What is not as declared."""
        try:
            wanted = self.wanted(root)
        except NodeError as error:
            return [str(error)]
        return [] if wanted == root else ["its root folder is %s instead of %s" % (_in_words(root), _in_words(wanted))]

    def read(self) -> Root:
        """It as it is now. Raises OSError."""
        facts = os.lstat(self._mnt)
        return Root(facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))

    def set(self, now: Root, wanted: Root) -> None:
        """Change what is not as wanted."""
        if (now.uid, now.gid) != (wanted.uid, wanted.gid):
            argv = ["chown", "--no-dereference", "%d:%d" % (wanted.uid, wanted.gid), self._mnt]
            self._run.do(argv, partial(_change, self._mnt, wanted.uid, wanted.gid, None), self._rid)
        if now.mode != wanted.mode:
            argv = ["chmod", "%04o" % wanted.mode, self._mnt]
            self._run.do(argv, partial(_change, self._mnt, -1, -1, wanted.mode), self._rid)


def _user_id(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise NodeError("there is no user %s on this node" % name) from None


def _change(folder: str, uid: int, gid: int, mode: Optional[int]) -> None:
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
