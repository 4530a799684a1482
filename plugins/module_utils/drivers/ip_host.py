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
from ..node.policy_routes import PolicyRoute, table_number
from ..node.session import entry_address
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status
from .ip_removal import Removal
from .ip_view import Recorded, View, Wanted, look
from .ip_wire import Wire

_SECTION = "ip"


class IpHost(Driver):
    """The resource `ip#N` of type host."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self._run = machine.run
        self._wanted = Wanted(self.values)
        self._table = table_number("%s/%s" % (service.id, self.rid))
        self._removal = Removal(machine, self.rid)
        self._checked = False
        self._gone: Optional[IpAddress] = None
        self._released: Optional[IpAddress] = None
        self._closed: Optional[PolicyRoute] = None
        self._announcing: Optional[Callable[[], None]] = None
        self._note_announced: Callable[[], None] = lambda: None

    def label(self) -> str:
        return "%s@%s" % (self.values["ipname"], self.values["ipdev"])

    # Reading

    def _look(self) -> View:
        return look(self._wanted, self.machine.record.get(_SECTION, self.rid), self._gone)

    def _way_out(self, view: View) -> Optional[PolicyRoute]:
        """The routing of the address's own, as the definition wants it, or as an earlier one has made it."""
        gateway = str(self._wanted.gateway) if self._wanted.gateway else None
        if gateway is None or view.stale:
            gateway = view.recorded.gateway if view.recorded else gateway
        device = view.link.name if view.link else self._wanted.device
        return PolicyRoute(view.address, gateway, device, self._table) if gateway else None

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
        problems = []
        if view.elsewhere:
            problems.append("%s is on %s" % (view.address, ", ".join(view.elsewhere)))
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
        elif not (link.is_up and link.has_carrier):
            status.remarks.append(Remark("info", self._wire_problem(link)))
        problems += self._left_overs(view)
        if problems and (status.state == UP or view.elsewhere):
            status.state = WARN
        status.remarks += [Remark("warn", text) for text in problems]
        return status

    def _problems(self, view: View, link: Link, entry: Address) -> List[str]:
        """What is not as it should be with the address on its interface."""
        stranger = view.foreign(link, entry) or self._claimed(view)
        if not view.recorded and not stranger:
            stranger = "was not added by this service: a start takes it over, when nobody else has it"
        problems = [stranger, self._wire_problem(link), self._differs(view, link, entry)]
        if view.recorded and not view.recorded.announced:
            problems.append("its start was interrupted before it was announced: a start goes on from here")
        way_out = self._way_out(view)
        if way_out and self._wanted.gateway and not view.stale and way_out.missing():
            problems.append("its routing over %s is not complete: a start mends it" % way_out.gateway)
        return [problem for problem in problems if problem]

    def _differs(self, view: View, link: Link, entry: Address) -> str:
        """How the address on the interface is not the one that is wanted."""
        prefix = self._wanted.prefix(view.address, None)
        if prefix is None and view.recorded:
            prefix = view.recorded.prefix
        prefix = prefix or self._wanted.prefix(view.address, link)
        if prefix and prefix not in [found.prefix for found in link.find(view.address)]:
            return "has the prefix length %d, not %d: restart it" % (entry.prefix, prefix)
        if self._wanted.label and entry.label != self._wanted.label:
            return "has the label %s, not %s: restart it" % (entry.label, self._wanted.label)
        return ""

    def _wire_problem(self, link: Link) -> str:
        if not link.is_up:
            return "the interface %s is switched off: 'ip link set dev %s up' switches it on" % (link.name, link.name)
        if not link.has_carrier:
            return "the interface %s has no carrier (%s)" % (link.name, link.operstate)
        return ""

    def _left_overs(self, view: View) -> List[str]:
        """What an interrupted stop has left behind. Raises Undetermined."""
        problems = self._removal.left_overs()
        if not view.entry and view.recorded and view.recorded.gateway:
            way_out = self._way_out(view)
            if way_out and way_out.present():
                problems.append("its rules and routes (table %d) are left: a stop takes them away" % self._table)
        return problems

    # Starting

    def check_start(self) -> None:
        self._check(self._look())
        self._checked = True

    def _check(self, view: View) -> None:
        """Refuse what cannot work. Asks the neighbours when the address is not ours yet."""
        self._wanted.address()  # what cannot be resolved is not started, even when it was once recorded
        if view.stale:
            raise NodeError(view.drift)
        link = self._link(view)
        if view.elsewhere:
            raise NodeError(
                "%s is on %s already: remove it there, or name that interface in ipdev"
                % (view.address, ", ".join(view.elsewhere))
            )
        if link.master and addresses.is_port(link.name):
            raise NodeError("%s is a port of %s: name that interface in ipdev" % (link.name, link.master))
        if self._wire_problem(link):
            raise NodeError(self._wire_problem(link))
        self._prefix(view, link)
        if view.entry:
            self._check_present(view, link, view.entry)
        if view.address.version == 6 and not addresses.has_ipv6(link.name):
            raise NodeError("IPv6 is switched off on %s (net.ipv6.conf.%s.disable_ipv6)" % (link.name, link.name))
        if view.entry is None or view.recorded is None or "dadfailed" in view.entry.flags:
            Wire(self._run, self.rid, link, view.address, view.links).ask()

    def _link(self, view: View) -> Link:
        if view.link is None:
            raise NodeError(
                "there is no interface %s on this node; there are %s"
                % (self._wanted.device, ", ".join(found.name for found in view.links))
            )
        return view.link

    def _prefix(self, view: View, link: Link) -> int:
        prefix = self._wanted.prefix(view.address, link)
        if prefix is None and view.entry:
            prefix = view.entry.prefix
        if prefix is None:
            raise NodeError(
                "no network of %s holds %s: give netmask, as a prefix length such as 24" % (link.name, view.address)
            )
        self._wanted.check(view.address, prefix)
        reason = network_refusal(view.address, prefix)
        if reason:
            raise NodeError("%s %s" % (view.address, reason))
        return prefix

    def _check_present(self, view: View, link: Link, entry: Address) -> None:
        """Refuse to take an address that is there already for the service's own when it is not."""
        reason = view.foreign(link, entry) or self._claimed(view) or self._differs(view, link, entry)
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
        return not self._problems(view, link, entry)

    def _bring_up(self, view: View) -> None:
        link = self._link(view)
        prefix = self._prefix(view, link)
        fresh = view.entry is None or "dadfailed" in view.entry.flags
        interrupted = bool(view.recorded and not view.recorded.announced)
        before = None if interrupted else self.machine.record.get(_SECTION, self.rid)
        self._record(view, link, prefix, not (fresh or interrupted or view.recorded is None))
        self.way_back.append(lambda: self.machine.record.put(_SECTION, self.rid, before))
        self.claim(_claim_on(view.address))
        if fresh:
            self._add(view, link, prefix)
        elif interrupted:
            self.way_back.append(partial(self._removal.remove, link.name, view.address))
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

    def _record(self, view: View, link: Link, prefix: int, announced: bool) -> None:
        way_out = self._way_out(view)
        gateway = way_out.gateway if way_out else None
        recorded = Recorded(view.address, prefix, link.name, gateway, announced)
        self.machine.record.put(_SECTION, self.rid, recorded.as_dict())

    def _add(self, view: View, link: Link, prefix: int) -> None:
        """Add the address under the lock of its interface, and verify that it is there."""
        with self._removal.locked(link.name):
            now = self._look()
            if now.elsewhere or (now.entry and not view.entry):
                raise NodeError("%s came onto %s just now" % (view.address, ", ".join(now.elsewhere) or link.name))
            if now.entry:
                self._run.change(addresses.remove_command(link.name, now.entry), addresses.DEADLINE, self.rid)
            has_broadcast = view.address.version == 4 and prefix < 31 and link.kind != "loopback"
            new = Address(view.address, prefix, self._wanted.label, "+" if has_broadcast else "")
            take_back = partial(self._removal.remove, link.name, view.address)
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
        """Make the routing of the address's own, as far as it is missing."""
        way_out = self._way_out(view)
        if not way_out or not self._wanted.gateway:
            return
        self.way_back.append(partial(self._unroute, way_out))
        for command in way_out.all_commands() if self._gone else way_out.missing():
            self._run.change(command, addresses.DEADLINE, self.rid)

    # Stopping

    def _unroute(self, way_out: PolicyRoute) -> bool:
        commands = way_out.present()
        for command in commands:
            self._run.change(command, addresses.DEADLINE, self.rid)
        return bool(commands)

    def stop(self) -> bool:
        if self.imagined == DOWN:
            return False
        changed = self._removal.put_back()
        view = self._look()
        if view.drift:
            self._run.journal.remark(self.rid, view.drift, "warn")
        own, others = self._sort_out(view)
        way_out = self._way_out(view)
        if way_out and self._unroute(way_out):
            changed = True
        for link in own:
            self._removal.remove(link.name, view.address)
            changed = True
        if others:
            raise NodeError(
                "%s is on %s, where this service has not put it: remove it there"
                % (view.address, ", ".join(link.name for link in others))
            )
        self._released, self._closed = view.address, way_out
        if view.recorded or self.machine.record.get(_SECTION, self.rid):
            self.machine.record.put(_SECTION, self.rid, None)
        self.disclaim(_claim_on(view.address))
        if self._run.check_mode:
            self.imagined, self._gone = DOWN, view.address
        return changed

    def _sort_out(self, view: View) -> List[List[Link]]:
        """The interfaces where the address is the service's, and the others. Raises NodeError for one of the node's own."""
        devices = {view.link.name if view.link else self._wanted.device}
        if view.recorded:
            devices.add(view.recorded.device)
        holders = [link for link in view.links if link.find(view.address)]
        own = [link for link in holders if link.name in devices]
        for link in own:
            for entry in link.find(view.address):
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
        return [own, [link for link in holders if link not in own]]

    def evidence(self) -> Dict[str, str]:
        links = addresses.read()
        address = self._released or self._look().address
        places = addresses.places(links, address)
        if places:
            raise NodeError("%s is still on %s" % (address, ", ".join(places)))
        proof = {"address": "%s is on no interface" % address}
        if self._closed:
            if self._closed.present():
                raise NodeError("rules or routes of %s (table %d) are left" % (address, self._table))
            proof["routing"] = "no rule for %s and no route in table %d is left" % (address, self._table)
        return proof


def _claim_on(address: IpAddress) -> str:
    """What a service has that has added an address."""
    return "address %s" % address
