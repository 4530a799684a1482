# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What will be on the node once the resources that come first are up.

A check before a start must not miss a device that the start itself will bring, and check mode goes on as if it were there.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Dict, List, Set

from .lvm import Group


class Outlook:
    """The paths that a run is going to provide for one service."""

    def __init__(self) -> None:
        self._patterns: List[str] = []
        self._devices: Dict[str, str] = {}
        self.released: Set[str] = set()
        """The loop devices that check mode has imagined to detach."""
        self.unmounted: Set[str] = set()
        """The mount points that check mode has imagined to free: what it still sees below them would not be there."""
        self.ended: Set[int] = set()
        """The processes that check mode has imagined to end."""
        self.woken: Set[int] = set()
        """The processes that check mode has imagined to let go on, after a signal had stopped them."""
        self.groups: Dict[str, Group] = {}
        """In check mode: volume groups by name, as the changes that were only noted would have left them."""

    def expect(self, *patterns: str) -> None:
        """Count on paths, or on what matches a pattern such as /dev/vgapp/*."""
        self._patterns.extend(patterns)

    def expects(self, path: str) -> bool:
        """Whether this run is going to provide `path`."""
        return any(fnmatchcase(path, pattern) for pattern in self._patterns)

    def expects_below(self, path: str) -> bool:
        """Whether `path` is, or lies below, something that this run is going to provide: it cannot be seen before."""
        while len(path) > 1 and not self.expects(path):
            path = os.path.dirname(path)
        return len(path) > 1

    def imagine_device(self, file: str, device: str) -> None:
        """In check mode: take for granted that the loop device of a file would be `device`."""
        self._devices[file] = device
        self.released.discard(device)

    def device(self, file: str) -> str:
        """The loop device that a file is imagined to have, or an empty string."""
        return self._devices.get(file, "")
