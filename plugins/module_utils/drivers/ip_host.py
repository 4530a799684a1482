# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""An address of a service on an interface of the node.

Nobody else on the wire may have it: that is asked before anything of the service starts, and again when it was added. Its
arrival is announced. A stop takes away this one address and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Callable, Dict, List, Optional

from ..definition.ip_address import network_refusal
from ..definition.model import Definition, ResourceDefinition
from ..node import addresses
from ..node.addresses import Address, IpAddress, Link
from ..node.errors import NodeError
from ..node.machine import Machine
from ..node.policy_routes import PolicyRoute
from ..node.session import entry_address
from . import ip_health
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status
from .ip_removal import Removal
from .ip_routing import Routing
from .ip_siblings import SECTION, Siblings
from .ip_view import Place, Recorded, View, Wanted, look
from .ip_wire import Wire


class IpHost(Driver):
    """The resource `ip#N` of type host."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self._run = machine.run
        self._wanted = Wanted(self.values)
        self._routing = Routing(machine.run, self.rid, service.id)
        self._removal = Removal(machine, self.rid)
        self._siblings = Siblings(machine.record, definition, service)
        self._checked = False
        self._gone: Optional[IpAddress] = None
        self._released: Optional[IpAddress] = None
        self._left_to = ""
        self._announcing: Optional[Callable[[], None]] = None
        self._note_announced: Callable[[], None] = lambda: None

    def label(self) -> str:
        return "%s@%s" % (self.values["ipname"], self.values["ipdev"])

    # Reading

    def _look(self) -> View:
        record = self.machine.record
        earlier = [record.get(SECTION, rid) for rid in self._siblings.former()]
        return look(self._wanted, record.get(SECTION, self.rid), self._gone, earlier)

    def _way_out(self, view: View) -> PolicyRoute:
        """The routing of the address's own, as the definition wants it."""
        device = view.link.name if view.link else self._wanted.device
        return self._routing.way_out(view.address, self._wanted.gateway, device)

    def status(self) -> Status:
        view = self._look()
        link, entry = view.link, view.entry
        status = Status(DOWN, self.label())
        status.facts = {
            "address": str(view.address),
            "prefix": entry.prefix if entry else None,
            "dev": link.name if link else self._wanted.device,
            "mac": link.mac if link else "",
        }
        problems = [self._siblings.twin(view, self._wanted), view.elsewhere]
        if view.stale:
            problems.append(view.drift)
        elif view.drift:
            status.remarks.append(Remark("warn", view.drift))
        if link is None:
            status.remarks.append(Remark("warn", "there is no interface %s on this node" % self._wanted.device))
        elif entry and "dadfailed" in entry.flags:
            text = "%s is in use elsewhere (duplicate address detection has failed)" % entry
            status.remarks.append(Remark("error", text))
        elif entry and "tentative" in entry.flags:
            text = "%s is not usable yet: duplicate address detection is under way" % entry
            status.remarks.append(Remark("info", text))
        elif entry:
            status.state = UP
            problems += self._problems(view, link, entry)
            if "deprecated" in entry.flags:
                status.remarks.append(Remark("info", "is deprecated: no new connection goes out from it"))
        else:
            problem = ip_health.of_link(link)
            status.remarks += [Remark("info", problem)] if problem else []
        problems = [problem for problem in problems + self._left_overs(view) if problem]
        if problems and (status.state == UP or view.elsewhere):
            status.state = WARN
        status.remarks += [Remark("warn", text) for text in problems]
        return status

    def _problems(self, view: View, link: Link, entry: Address) -> List[str]:
        """What is not as it should be with the address on its interface."""
        stranger = view.foreign(link, entry) or self._claimed(view)
        if not view.recorded and not stranger and not self._siblings.holder(view):
            stranger = "was not added by this service: a start takes it over, when nobody else has it"
        problems = [stranger, ip_health.of_link(link), ip_health.of_entry(self._wanted, view, link, entry)]
        if view.recorded and not self.machine.record.get(SECTION, self.rid):
            problems.append("was added when the definition had another number for it: a start renews the record")
        if view.recorded and not view.recorded.announced:
            problems.append("its start was interrupted before it was announced: a start goes on from here")
        if not view.stale and (self._wanted.gateway or (view.recorded and view.recorded.gateway)):
            problems.append(self._routing.problem(self._way_out(view)))
        return [problem for problem in problems if problem]

    def _left_overs(self, view: View) -> List[str]:
        """What an interrupted stop has left behind. Raises Undetermined."""
        problems = self._removal.left_overs()
        if view.past and view.past.gateway and self._routing.way_out(view.past.address).present():
            problems.append("rules and routes of %s are left: a start or stop takes them away" % view.past.address)
        return problems

    # Starting

    def check_start(self) -> None:
        self._check(self._look())
        self._checked = True

    def check_restart(self) -> None:
        self._fit(self._look(), self._wanted.address(), None)

    def _check(self, view: View) -> None:
        """Refuse what cannot work. Asks the neighbours when the address is not ours yet."""
        self._wanted.address()  # what cannot be resolved is not started, even when it was once recorded
        if view.stale:
            raise NodeError(view.drift)
        link = self._link(view)
        if view.elsewhere or self._siblings.holder(view):
            raise NodeError(view.elsewhere or self._siblings.twin(view, self._wanted))
        self._fit(view, view.address, view.entry)
        if view.entry:
            self._check_present(view, link, view.entry)
        if view.entry is None or view.recorded is None or "dadfailed" in view.entry.flags:
            Wire(self._run, self.rid, link, view.address, view.links).ask()

    def _fit(self, view: View, address: IpAddress, entry: Optional[Address]) -> None:
        """Raise NodeError for what no stop can change: definition and interface do not go together."""
        link = self._link(view)
        reason = ip_health.of_link(link) or self._siblings.namesake(address, self._wanted)
        if self._wanted.gateway and link.kind == "loopback":
            reason = "nothing leaves by %s: there is no gateway %s" % (link.name, self._wanted.gateway)
        if reason:
            raise NodeError(reason)
        self._prefix(link, address, entry)
        if address.version == 6 and not addresses.has_ipv6(link.name):
            raise NodeError("IPv6 is switched off on %s (net.ipv6.conf.%s.disable_ipv6)" % (link.name, link.name))

    def _link(self, view: View) -> Link:
        if view.link is None:
            raise NodeError(
                "there is no interface %s on this node; there are %s"
                % (self._wanted.device, ", ".join(found.name for found in view.links))
            )
        return view.link

    def _prefix(self, link: Link, address: IpAddress, entry: Optional[Address]) -> int:
        prefix = self._wanted.prefix(address, link)
        if prefix is None and entry:
            prefix = entry.prefix
        if prefix is None:
            raise NodeError(
                "no network of %s holds %s: give netmask, as a prefix length such as 24" % (link.name, address)
            )
        self._wanted.check(address, prefix)
        reason = network_refusal(address, prefix)
        if reason:
            raise NodeError("%s %s" % (address, reason))
        return prefix

    def _check_present(self, view: View, link: Link, entry: Address) -> None:
        """Refuse to take an address that is there already for the service's own when it is not."""
        reason = view.foreign(link, entry) or self._claimed(view)
        reason = reason or ip_health.of_entry(self._wanted, view, link, entry)
        if not reason and not view.recorded and view.address == entry_address():
            reason = "this session came in through it: it is the node's own"
        if reason:
            raise NodeError("%s: %s" % (view.address, reason))

    def _claimed(self, view: View) -> str:
        """Which other service of this node has the address by its own record, in words; empty when none has."""
        owner = self.machine.owner_of(self.rid, _claim_on(view.address))
        return "it was added by %s" % owner if owner else ""

    def start(self) -> bool:
        if self.imagined == UP:
            return False
        changed = self._removal.put_back()
        view = self._look()
        if not self._is_done(view):
            if not self._checked:
                self._check(view)
            self._bring_up(view)
            changed = True
        self.imagined = UP if self._run.check_mode else None
        return changed

    def _is_done(self, view: View) -> bool:
        link, entry = view.link, view.entry
        if not link or not entry or view.stale or view.elsewhere or entry.flags & {"tentative", "dadfailed"}:
            return False
        if not view.recorded and view.address == entry_address():
            return False
        return not self._problems(view, link, entry) and not self._siblings.twin(view, self._wanted)

    def _bring_up(self, view: View) -> None:
        link = self._link(view)
        prefix = self._prefix(link, view.address, view.entry)
        fresh = view.entry is None or "dadfailed" in view.entry.flags
        interrupted = bool(view.recorded and not view.recorded.announced)
        before = view.recorded.as_dict() if view.recorded else self.machine.record.get(SECTION, self.rid)
        if view.past and view.past.address != view.address:
            self._routing.take_away(view.past.address)
        self._record(view, link, prefix, not (fresh or interrupted or view.recorded is None), intended=True)
        self.way_back.append(lambda: self.machine.record.put(SECTION, self.rid, None if interrupted else before))
        self._siblings.forget_former(view.address)
        self.claim(_claim_on(view.address))
        if fresh:
            self._add(view, link, prefix)
        elif interrupted and view.entry:
            self.way_back.append(partial(self._removal.remove, link.name, view.entry))
        if not (fresh or interrupted or view.recorded is None):
            self._route(view)
            self._record(view, link, prefix, True)
            return
        wire = Wire(self._run, self.rid, link, view.address, view.links)
        self._or_give_up(wire.ask_again)
        self._route(view)
        self._announcing = wire.announce(lambda: self._look().entry)
        self._note_announced = lambda: self._record(view, link, prefix, True)
        self._gone = None

    def settle(self) -> None:
        """Wait until the address is announced: what uses it must not start before the neighbours know where it is."""
        if self._announcing:
            self._or_give_up(self._announcing)
            self._announcing = None
            self._note_announced()

    def undo_start(self) -> bool:
        if self._announcing:
            with suppress(NodeError):
                self._announcing()
            self._announcing = None
        return super().undo_start()

    def _record(self, view: View, link: Link, prefix: int, announced: bool, intended: bool = False) -> None:
        """Record the address. As long as it is only `intended`, the routing of an earlier definition is not forgotten."""
        gateway = str(self._wanted.gateway) if self._wanted.gateway else None
        if intended and gateway is None and view.recorded:
            gateway = view.recorded.gateway
        recorded = Recorded(view.address, prefix, link.name, gateway, announced, link.index)
        self.machine.record.put(SECTION, self.rid, recorded.as_dict())

    def _add(self, view: View, link: Link, prefix: int) -> None:
        """Add the address under the lock of its interface, and verify that it is there."""
        with self._removal.locked(link.name):
            now = self._look()
            if now.elsewhere or (now.entry and not view.entry):
                raise NodeError(now.elsewhere or "%s came onto %s just now" % (view.address, link.name))
            if now.entry:
                self._run.change(addresses.remove_command(link.name, now.entry), addresses.DEADLINE, self.rid)
            has_broadcast = view.address.version == 4 and prefix < 31 and link.kind != "loopback"
            new = Address(view.address, prefix, self._wanted.label, "+" if has_broadcast else "")
            take_back = partial(self._removal.remove, link.name, new)
            self.change(addresses.add_command(link.name, new), addresses.DEADLINE, take_back)
            if not self._run.check_mode and not self._look().entry:
                raise NodeError("%s is not on %s though it was added" % (view.address, link.name))

    def _or_give_up(self, work: Callable[[], None]) -> None:
        """An address that somebody else has must not stay, even where failed starts are not taken back."""
        try:
            work()
        except NodeError:
            self.undo_start()
            raise

    def _route(self, view: View) -> None:
        """Make the routing of the address's own as it is wanted."""
        if self._wanted.gateway or (view.recorded and view.recorded.gateway):
            way_out = self._way_out(view)
            before = way_out.present()
            self.way_back.append(lambda: self._routing.take_away(view.address, before))
            self._routing.make(way_out, anew=bool(self._gone))

    # Stopping

    def stop(self) -> bool:
        if self.imagined == DOWN:
            return False
        changed = self._removal.put_back()
        view = self._look()
        if view.drift:
            self._run.journal.remark(self.rid, view.drift, "warn")
        self._left_to = self._siblings.holder(view)
        if self._left_to:
            self._run.journal.remark(self.rid, self._siblings.twin(view, self._wanted), "warn")
        else:
            changed = self._take_down(view) or changed
        if self._run.check_mode:
            self.imagined, self._gone = DOWN, view.address
        return changed

    def _take_down(self, view: View) -> bool:
        """Remove routing and address, and forget them. What else has the address stays, and is no release."""
        own = view.own
        if own:
            self._refuse_removal(view, *own)
        changed = self._routing.take_away(view.address)
        if view.past and view.past.address != view.address:
            changed = self._routing.take_away(view.past.address) or changed
        if own:
            changed = self._removal.remove(own[0].name, own[1]) or changed
        others = [place for place in view.places if place != own]
        if own or not others:
            self.machine.record.put(SECTION, self.rid, None)
            self._siblings.forget_former(view.address)
            self.disclaim(_claim_on(view.address))
        if others:
            raise NodeError(_still_there(others))
        self._released = view.address
        return changed

    def _refuse_removal(self, view: View, link: Link, entry: Address) -> None:
        """Raise NodeError for an address that is not the service's, or that must not go now."""
        reason = view.foreign(link, entry) or self._claimed(view)
        if not reason and view.address == entry_address():
            reason = "this session came in through it, and would end with it: come in through another address"
        if not reason and not view.recorded:
            reason = (
                "this service has not added it, or the record of that is lost; when it is the service's, remove it "
                "with 'ip address delete %s dev %s'" % (entry, link.name)
            )
        if reason:
            raise NodeError("%s is not removed: %s" % (view.address, reason))

    def evidence(self) -> Dict[str, str]:
        if self._left_to:
            return {"address": "it is left to %s" % self._left_to}
        links = addresses.read()
        address = self._released or self._look().address
        places = addresses.places(links, address)
        if places:
            raise NodeError("%s is still on %s" % (address, ", ".join(places)))
        way_out = self._routing.way_out(address)
        if way_out.present():
            raise NodeError("rules or routes of %s (table %d) are left" % (address, way_out.table))
        proof = {"address": "%s is on no interface" % address}
        if self._wanted.gateway:
            proof["routing"] = "no rule for %s and no route in table %d is left" % (address, way_out.table)
        return proof


def _claim_on(address: IpAddress) -> str:
    """What a service has that has added an address."""
    return "address %s" % address


def _still_there(others: List[Place]) -> str:
    """What to do about an address that this service has not put where it is."""
    link, entry = others[0]
    return "%s, where this service has not put it: remove it there, with '%s'" % (
        ", ".join("%s is on %s" % (other, device.name) for device, other in others),
        " ".join(addresses.remove_command(link.name, entry)),
    )
