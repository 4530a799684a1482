# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Taking exactly one address away from an interface.

With the first address of a network the kernel removes all others of that network, which may be other services', unless it is
told to promote them (ip-sysctl, promote_secondaries).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import Iterator, List

from ..node import addresses, clock
from ..node.addresses import Address, Link
from ..node.errors import NodeError, Undetermined
from ..node.machine import Machine

_SECTION = "promote_secondaries"


class Removal:
    """Removes addresses for one resource of a service."""

    def __init__(self, machine: Machine, rid: str):
        self._machine = machine
        self._run = machine.run
        self._rid = rid

    @contextmanager
    def locked(self, device: str) -> Iterator[None]:
        """Hold an interface against other services. Check mode takes no lock."""
        if self._run.check_mode:
            yield
            return
        with addresses.locked(os.path.join(self._machine.host.directories.run, "lock"), device):
            yield

    def left_overs(self) -> List[str]:
        """What an interrupted removal has left switched on."""
        device = self._promoting()
        return ["promote_secondaries of %s is still on: a start or stop puts it back" % device] if device else []

    def put_back(self) -> bool:
        """Put the setting back that an interrupted removal has left; whether there was one."""
        device = self._promoting()
        if not device:
            return False
        with self.locked(device):
            self._forbid_promotion(device)
        return True

    def _promoting(self) -> str:
        """The interface that an interrupted removal has left the setting on for. A reboot sets it as the node wants it."""
        found = self._machine.record.get(_SECTION, self._rid)
        return str(found["dev"]) if isinstance(found, dict) and found.get("boot") == clock.boot_id() else ""

    def remove(self, device: str, wanted: Address) -> bool:
        """Remove one address from an interface; false when it is not there. Raises NodeError when others went with it.

        The same address with another prefix is another one, and stays.
        """
        with self.locked(device):
            link = addresses.find_link(addresses.read(), device)
            found = [entry for entry in link.addresses if entry.key == wanted.key] if link else []
            if link and found:
                self._remove(link, found[0])
            return bool(found)

    def _remove(self, link: Link, entry: Address) -> None:
        promote = bool(link.secondaries(entry)) and not addresses.promotes_secondaries(link.name)
        if promote:
            self._machine.record.put(_SECTION, self._rid, {"dev": link.name, "boot": clock.boot_id()})
            self._set(link.name, "1")
        try:
            self._run.change(addresses.remove_command(link.name, entry), addresses.DEADLINE, self._rid)
        finally:
            if promote:
                self._forbid_promotion(link.name)
        if not self._run.check_mode:
            self._compare(link, entry)

    def _compare(self, before: Link, removed: Address) -> None:
        """Everything but the one address must be there still; what is not is added again, and the removal has failed."""
        left = {entry.key for entry in self._link(before.name).addresses}
        lost = [entry for entry in before.addresses if entry.key not in left and entry.key != removed.key]
        lost = [entry for entry in lost if not entry.flags & {"dynamic", "temporary"}]
        for entry in lost:
            self._run.change(addresses.add_command(before.name, entry), addresses.DEADLINE, self._rid)
        if lost:
            raise NodeError(
                "with %s the kernel removed %s from %s, too: they were added again; see that nothing has suffered"
                % (removed, ", ".join(map(str, lost)), before.name)
            )
        if removed.key in left:
            raise NodeError("%s is still on %s though it was removed" % (removed, before.name))

    def _forbid_promotion(self, device: str) -> None:
        if os.path.exists(addresses.promote_file(device)):
            self._set(device, "0")
        self._machine.record.put(_SECTION, self._rid, None)

    def _set(self, device: str, value: str) -> None:
        argv = ["sysctl", "-w", "net/ipv4/conf/%s/promote_secondaries=%s" % (device, value)]
        self._run.do(argv, partial(_write, addresses.promote_file(device), value), self._rid)

    def _link(self, device: str) -> Link:
        link = addresses.find_link(addresses.read(), device)
        if link is None:
            raise Undetermined("the interface %s is gone" % device)
        return link


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(value)
