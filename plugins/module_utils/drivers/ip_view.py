# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which address a resource of group ip is about, and what the node says of it.

The literal address is recorded before it is added. As long as the recorded one is on the node, it is the service's, whatever
its name resolves to meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..definition.ip_address import address_refusal, device_and_label, gateway_refusal, literal, prefix_length
from ..node import addresses, clock
from ..node.addresses import Address, IpAddress, Link
from ..node.errors import NodeError, Undetermined
from ..node.names import resolve

Place = Tuple[Link, Address]

_RESOLVE_DEADLINE = 5.0


@dataclass(frozen=True)
class Recorded:
    """What was recorded of an address before it was added. `announced`: its start came to the end.

    What an earlier boot has recorded tells which address it was, and nothing of one that is on the node now.
    """

    address: IpAddress
    prefix: int
    device: str
    gateway: Optional[str]
    announced: bool
    index: int = 0
    of_this_boot: bool = True

    @staticmethod
    def read(value: Any) -> Optional[Recorded]:
        """The record, None when there is none or it is not understood."""
        try:
            address = literal(value["address"])
            found = int(value["prefix"]), str(value["dev"]), value["gateway"], bool(value["announced"])
            index, boot = int(value.get("index", 0)), value.get("boot", clock.boot_id())
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return Recorded(address, *found, index, boot == clock.boot_id()) if address else None

    def as_dict(self) -> Dict[str, Any]:
        """For the record."""
        return {
            "address": str(self.address),
            "prefix": self.prefix,
            "dev": self.device,
            "gateway": self.gateway,
            "announced": self.announced,
            "index": self.index,
            "boot": clock.boot_id(),
        }


class Wanted:
    """What the definition asks for. The name is resolved once."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values
        self.device, self.label = device_and_label(values)
        self.name: str = values["ipname"]
        self.gateway: Optional[IpAddress] = literal(values["gateway"]) if values["gateway"] else None
        self._resolved: Optional[IpAddress] = None
        self._problem: Optional[Undetermined] = None

    def address(self) -> IpAddress:
        """The address now. Raises Undetermined."""
        if self._problem:
            raise self._problem
        if self._resolved is None:
            try:
                self._resolved = literal(self.name) or self._choose(resolve(self.name, _RESOLVE_DEADLINE))
            except Undetermined as error:
                self._problem = error
                raise
        return self._resolved

    def _choose(self, found: List[IpAddress]) -> IpAddress:
        """The only one of the family that gateway or netmask tell, else of IPv4 if there is any."""
        versions = {address.version for address in found}
        version = 4 if 4 in versions else 6
        if self.gateway:
            version = self.gateway.version
        elif (self._values["netmask"] or "").isdigit() and int(self._values["netmask"]) > 32:
            version = 6
        fitting = [address for address in found if address.version == version]
        if len(fitting) != 1:
            shown = ", ".join(map(str, found)) or "nothing"
            raise Undetermined("the name %s resolves to %s: write the address that you mean" % (self.name, shown))
        reason = address_refusal(fitting[0])
        if reason:
            raise Undetermined("the name %s resolves to %s, which %s" % (self.name, fitting[0], reason))
        return fitting[0]

    def prefix(self, address: IpAddress, link: Optional[Link]) -> Optional[int]:
        """The prefix length by the definition, else by the network of the interface. Raises NodeError."""
        if self._values["netmask"]:
            try:
                return prefix_length(self._values["netmask"], address.version)
            except ValueError as error:
                raise NodeError("netmask %s" % error) from error
        around = link.network_of(address) if link else None
        return around.prefix if around else None

    def check(self, address: IpAddress, prefix: int) -> None:
        """Raise NodeError for what could not be judged before the name was resolved."""
        if address.version == 6 and self.label:
            raise NodeError("%s is an IPv6 address, which has no label (%s)" % (address, self.label))
        reason = gateway_refusal(address, prefix, self.gateway) if self.gateway else ""
        if reason:
            raise NodeError("gateway %s" % reason)


@dataclass(frozen=True)
class View:
    """The node as one look has found it.

    `drift` is how name and address differ, `stale` whether the address is the old one. `past` is what was recorded of an
    address that is on no interface any more.
    """

    links: List[Link]
    address: IpAddress
    link: Optional[Link]
    recorded: Optional[Recorded]
    drift: str
    stale: bool
    past: Optional[Recorded] = None

    @property
    def places(self) -> List[Place]:
        """Everywhere that the address is: it can be on one interface more than once, with different prefixes."""
        return [(link, entry) for link in self.links for entry in link.find(self.address)]

    @property
    def own(self) -> Optional[Place]:
        """Where the service has it: as it was recorded, else on the declared interface, where somebody has changed it."""
        devices = [self.link.name] if self.link else []
        if self.recorded:  # by its number first: somebody may have renamed the interface
            named = [link.name for link in self.links if link.index == self.recorded.index]
            devices = [*named, self.recorded.device, *devices]
        for device in devices:
            here = [place for place in self.places if place[0].name == device]
            if self.recorded and len(here) > 1:
                here = [place for place in here if place[1].prefix == self.recorded.prefix and not place[1].peer]
            if here:
                return here[0]
        return None

    @property
    def entry(self) -> Optional[Address]:
        """The address on the declared interface."""
        if self.link and self.own and self.own[0].name == self.link.name:
            return self.own[1]
        found = self.link.find(self.address) if self.link else []
        return found[0] if found else None

    @property
    def beside(self) -> str:
        """What else the declared interface has of the address, which is nobody's of the service, in words."""
        entry = self.entry
        texts = [
            "%s is on %s, too, where this service has not put it: remove it with '%s'"
            % (other, link.name, " ".join(addresses.remove_command(link.name, other)))
            for link, other in self.places
            if entry and link == self.link and other != entry
        ]
        return "; ".join(texts)

    @property
    def elsewhere(self) -> str:
        """Which other interfaces have the address, and what to do about it, in words; empty when none has."""
        names = [name for name in addresses.places(self.links, self.address) if not self.link or name != self.link.name]
        if not names:
            return ""
        text = "%s is on %s" % (self.address, ", ".join(names))
        if self.recorded and self.own and names == [self.own[0].name]:
            return (
                text
                + ", where the service has added it under an earlier definition or name of it: stop it, then start it"
            )
        return text + " already: remove it there, or name that interface in ipdev"

    def foreign(self, link: Link, entry: Address) -> str:
        """Why an address on an interface cannot be the service's, an empty string when it can."""
        if entry.flags & ({"temporary", "mngtmpaddr"} if self.recorded else {"dynamic", "temporary", "mngtmpaddr"}):
            return "%s was given to %s by DHCP or by a router: it is the node's own" % (entry, link.name)
        if self.recorded:
            return ""
        others = [other for other in link.addresses if other != entry and other.scope != "link"]
        alone = not any(other.local.version == entry.local.version for other in others)
        is_primary = entry.local.version == 4 and "secondary" not in entry.flags and entry.prefix < 32
        if alone or is_primary:
            return (
                "%s is on %s, was not added for the service, and may be the node's own address: if it is not, remove it with "
                "'ip address delete %s dev %s'" % (entry, link.name, entry, link.name)
            )
        return ""


def look(wanted: Wanted, record: Any, gone: Optional[IpAddress] = None, earlier: Sequence[Any] = ()) -> View:
    """Look at the node. Raises Undetermined.

    `gone` is an address that check mode has imagined to remove, `earlier` what was recorded under numbers that no resource of
    the definition has any more: the address may be one of those.
    """
    links = addresses.read()
    if gone:
        links = [replace(link, addresses=tuple(a for a in link.addresses if a.local != gone)) for link in links]
    recorded = Recorded.read(record)
    drift = ""
    try:
        address = wanted.address()
    except Undetermined as error:
        if recorded is None:
            raise
        drift = "%s; %s was recorded at its last start" % (error, recorded.address)
        address = recorded.address
    known = [found for found in map(Recorded.read, earlier) if found and found.address == address]
    recorded = next((found for found in [recorded, *known] if found and found.of_this_boot), None)
    stale, past = False, None
    if recorded and not addresses.places(links, recorded.address):
        past = recorded
    if recorded and address != recorded.address:
        if past:
            recorded = None
        else:
            drift = "the definition means %s now, but the service still has %s: restart it" % (
                address,
                recorded.address,
            )
            address, stale = recorded.address, True
    return View(links, address, addresses.find_link(links, wanted.device), recorded, drift, stale, past)
