# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a resource of group ip has to ask and to tell the other machines on the wire."""

from __future__ import annotations

import time
from functools import partial
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
                self._refuse(neighbours.ask)
            except OSError as error:
                raise NodeError(
                    "whether another machine has %s cannot be asked on %s: %s"
                    % (self._address, self._link.name, error.strerror or error)
                ) from error

    def ask_again(self) -> None:
        """Ask once more, now that the address is there: somebody may have taken it in the same moment. Raises NodeError.

        For IPv6 the kernel asks, and `announce` waits for it.
        """
        if self._address.version == 4 and self._link.asks_neighbours:
            argv = ["arping", "-D", "-c", "1", "-I", self._link.name, str(self._address)]
            self._run.do(argv, lambda: self._refuse(neighbours.ask_again), self._rid)

    def announce(self, entry: Callable[[], Optional[Address]]) -> Callable[[], None]:
        """Begin to tell the neighbours; for IPv6, as soon as the kernel finds it unique (RFC 4862). `entry` reads the address.

        What is returned waits for the end. It raises NodeError when nothing can be sent, or when somebody objects.
        """

        def tell() -> None:
            if self._address.version == 6:
                self._wait_for_kernel(entry)
            if self._link.asks_neighbours:
                router = addresses.is_router(self._link.name)
                self._refuse(partial(neighbours.announce, router=router))

        argv = ["ndsend", str(self._address), self._link.name]
        if self._address.version == 4:
            count = str(len(neighbours.ANNOUNCEMENTS))
            argv = ["arping", "-U", "-c", count, "-I", self._link.name, str(self._address)]
        if self._link.asks_neighbours:
            return self._run.begin(argv, tell, self._rid)
        if not self._run.check_mode:
            tell()
        return lambda: None

    def _refuse(self, talk: Callable[[Link, IpAddress, List[str]], str]) -> None:
        """Raise NodeError when a conversation finds somebody who has the address."""
        holder = talk(self._link, self._address, self._own)
        if holder:
            raise self._conflict("by the machine with the MAC address %s" % holder)

    def _wait_for_kernel(self, read: Callable[[], Optional[Address]]) -> None:
        end = time.monotonic() + _DAD_DEADLINE
        while True:
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
