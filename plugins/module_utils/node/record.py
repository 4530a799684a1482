# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a node remembers of one service, from one action to the next."""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Dict, List, Optional, Tuple

from . import clock, files
from .errors import NodeError, Undetermined

CLAIMS = "claims"
"""The section that says what each resource has started: an address, a disk, a file system."""
Claims = Optional[List[Dict[str, Any]]]
"""What one service claims; None when its record cannot be read."""


class Record:
    """What is remembered of one service: the ids of its containers, and its daemon. Small, whole, and never believed alone."""

    def __init__(self, file: str, writable: bool):
        self._file = file
        self._writable = writable
        self._lock = threading.Lock()
        self._value: Dict[str, Any] = {}
        self.read()

    def read(self) -> None:
        """Read it again: whoever has waited for the lock of the service knows only what was true before."""
        value, self._problem = None, ""
        try:
            value = files.read_json(self._file)
        except Undetermined as error:
            self._problem = str(error)
        self._value = value if isinstance(value, dict) else {}

    def _section(self, name: str) -> Dict[str, Any]:
        if self._problem:
            raise Undetermined(self._problem)
        found = self._value.get(name)
        return found if isinstance(found, dict) else {}

    def get(self, section: str, key: str) -> Any:
        """A remembered value, None when there is none. Raises Undetermined when there is a record that cannot be read."""
        return self._section(section).get(key)

    def keys(self, section: str) -> List[str]:
        """Of what something is remembered in a section."""
        return sorted(self._section(section))

    def put(self, section: str, key: str, value: Any) -> None:
        """Remember a value, or forget it when it is None. Nothing is written when nothing changes.

        Raises NodeError when a value cannot be written, so that nothing is begun of which no trace would be left.
        """
        with self._lock:
            if self.get(section, key) == value:
                return
            entries = {**self._section(section), key: value}
            kept = {name: entry for name, entry in entries.items() if entry is not None}
            now = {**self._value, section: kept}
            if self._writable:
                try:
                    files.make_folder(os.path.dirname(self._file), 0o700)
                    files.write_whole(self._file, json.dumps(now, indent=1, sort_keys=True) + "\n")
                except OSError as error:
                    # A full disk keeps nothing from being released: what is stale is not believed.
                    if value is not None:
                        raise NodeError("%s cannot be written: %s" % (self._file, error.strerror)) from error
            self._value = now

    def claim(self, rid: str, what: str) -> None:
        """Remember that this service starts something, and when: of several services the last one to do so has it."""
        self.put(CLAIMS, rid, {"what": what, "boot": clock.boot_id(), "at": clock.since_boot()})

    def claimed(self, rid: str) -> str:
        """What a resource has started and not stopped, an empty string when there is nothing."""
        found = self.get(CLAIMS, rid)
        return str(found.get("what", "")) if isinstance(found, dict) else ""

    def claimed_since_boot(self) -> List[str]:
        """The resources that have started something in this boot: a reboot takes all of it away."""
        claims = [(rid, self.get(CLAIMS, rid)) for rid in self.keys(CLAIMS)]
        return [rid for rid, claim in claims if isinstance(claim, dict) and age(claim)[0]]


def claims_in(file: str) -> Claims:
    """The claims in a record."""
    try:
        value = files.read_json(file)
    except Undetermined:
        return None
    claims = value.get(CLAIMS) if isinstance(value, dict) else None
    return [claim for claim in claims.values() if isinstance(claim, dict)] if isinstance(claims, dict) else []


def age(claim: Dict[str, Any]) -> Tuple[bool, float]:
    """What tells an older claim from a younger one, which is greater. What was claimed in an earlier boot is old."""
    at = claim.get("at")
    return claim.get("boot") == clock.boot_id(), float(at) if isinstance(at, (int, float)) else 0.0
