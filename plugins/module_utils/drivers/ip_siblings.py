# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What the other addresses of the same service have to do with one: two names may mean the same, and numbers may change."""

from __future__ import annotations

from contextlib import suppress
from typing import List

from ..definition.ip_address import literal
from ..definition.model import Definition, ResourceDefinition
from ..node.addresses import IpAddress
from ..node.errors import Undetermined
from ..node.record import Record
from .ip_view import Recorded, View, Wanted

SECTION = "ip"
"""Where addresses are recorded, by the number of their resource."""
_TWINS = "%s is the address of %s, too: give each one of its own, then restart the service"


class Siblings:
    """The resources of group ip of a service, as one of them sees the others."""

    def __init__(self, record: Record, definition: ResourceDefinition, service: Definition):
        self._record = record
        self._own = definition
        self._others = [other for other in service.resources if other.group == "ip" and other.rid != definition.rid]

    def former(self) -> List[str]:
        """The numbers that an address is recorded under, and that no resource of the definition has any more."""
        known = {self._own.rid} | {other.rid for other in self._others}
        return [rid for rid in self._record.keys(SECTION) if rid not in known]

    def holder(self, view: View) -> str:
        """Which other one has added the address by the record; empty when none has, or this one."""
        if view.recorded:
            return ""
        return next((other.rid for other in self._others if self._has(other.rid, view.address)), "")

    def twin(self, view: View, wanted: Wanted) -> str:
        """Which other one has the address, or means it and comes first, in words; empty when none does."""
        rid = self.holder(view)
        return _TWINS % (view.address, rid) if rid else "" if view.stale else self.namesake(view.address, wanted)

    def namesake(self, address: IpAddress, wanted: Wanted) -> str:
        """Which other one means the address and comes first, in words; empty when none does."""
        rid = next((other.rid for other in self._others if self._means(other, address, wanted.name)), "")
        return _TWINS % (address, rid) if rid else ""

    def forget_former(self, address: IpAddress) -> None:
        """Forget an address under the numbers that the definition has no more."""
        for rid in self.former():
            if self._has(rid, address):
                self._record.put(SECTION, rid, None)

    def _has(self, rid: str, address: IpAddress) -> bool:
        recorded = Recorded.read(self._record.get(SECTION, rid))
        return bool(recorded and recorded.address == address)

    def _means(self, other: ResourceDefinition, address: IpAddress, name: str) -> bool:
        """Whether one that comes first means an address. Two that are written as addresses are known to differ."""
        written = literal(other.values["ipname"]) and literal(name)
        if written or other.values["disable"] or other.sort_key > self._own.sort_key:
            return False
        with suppress(Undetermined):
            return Wanted(other.values).address() == address
        return False
