# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a resource of group ip has to ask and to tell the other machines on the wire."""

from __future__ import annotations

import time
from typing import Callable, List, Optional

from ..node import addresses, neighbours
from ..node.addresses import Address, IpAddress, Link
from ..node.commands import Runner
from ..node.errors import NodeError

_DAD_DEADLINE = 10.0
_DAD_POLL = 0.1


class Wire:
    """The wire of one interface, for one address. `links` are all interfaces of the node, which do not count as others."""

    def __init__(self, run: Runner, rid: str, link: Link, address: IpAddress, links: List[Link]):
        self._run = run
        self._rid = rid
        self._link = link
        self._address = address
        self._own = [own.mac for own in links]

    def ask(self) -> None:
        """Ask the neighbours before anything changes, also in check mode. Raises NodeError when somebody has the address."""
        if not self._link.asks_neighbours:
            text = "%s has no ARP: whether another machine has %s cannot be asked" % (self._link.name, self._address)
            self._run.journal.remark(self._rid, text)
        else:
            self._run.journal.remark(self._rid, "checking %s availability" % self._address)
            try:
                holder = neighbours.ask(self._link, self._address, self._own)
            except OSError as error:
                raise NodeError(
                    "whether another machine has %s cannot be asked on %s: %s"
                    % (self._address, self._link.name, error.strerror or error)
                ) from error
            if holder:
                raise self._conflict("by the machine with the MAC address %s" % holder)

    def wait_until_usable(self, entry: Callable[[], Optional[Address]]) -> None:
        """Ask again, now that the address is there: somebody may have taken it in the same moment. `entry` reads it.

        For IPv6 the kernel asks, and before it is done nothing can use the address (RFC 4862). Raises NodeError.
        """
        if self._address.version == 6:
            self._wait_for_kernel(entry)
        elif self._link.asks_neighbours:
            self._talk(["arping", "-D", "-c", "1", "-I", self._link.name, str(self._address)], neighbours.ask_again)

    def announce(self) -> None:
        """Tell the neighbours. Raises NodeError when that cannot be sent, or when somebody objects."""

        def tell(link: Link, address: IpAddress, own: List[str]) -> str:
            return neighbours.announce(link, address, own, addresses.is_router(link.name))

        if not self._link.asks_neighbours:
            return
        if self._address.version == 4:
            count = str(len(neighbours.ANNOUNCEMENTS))
            self._talk(["arping", "-U", "-c", count, "-I", self._link.name, str(self._address)], tell)
        else:
            self._talk(["ndsend", str(self._address), self._link.name], tell)

    def _talk(self, argv: List[str], talk: Callable[[Link, IpAddress, List[str]], str]) -> None:
        def action() -> None:
            holder = talk(self._link, self._address, self._own)
            if holder:
                raise self._conflict("by the machine with the MAC address %s" % holder)

        self._run.do(argv, action, self._rid)

    def _wait_for_kernel(self, read: Callable[[], Optional[Address]]) -> None:
        end = time.monotonic() + _DAD_DEADLINE
        while not self._run.check_mode:
            entry = read()
            if entry is None:
                raise NodeError("%s has vanished from %s" % (self._address, self._link.name))
            if "dadfailed" in entry.flags:
                holder = neighbours.ask(self._link, self._address, self._own) if self._link.asks_neighbours else ""
                raise self._conflict(
                    "by the machine with the MAC address %s" % holder if holder else "by another machine"
                )
            if "tentative" not in entry.flags:
                return
            if time.monotonic() > end:
                raise NodeError(
                    "%s is still not usable after %g s: duplicate address detection does not end"
                    % (self._address, _DAD_DEADLINE)
                )
            time.sleep(_DAD_POLL)

    def _conflict(self, who: str) -> NodeError:
        return NodeError(
            "%s is in use on the wire of %s %s: another node may still be running the service; stop it there first"
            % (self._address, self._link.name, who)
        )
