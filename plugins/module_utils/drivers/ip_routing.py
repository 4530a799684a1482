# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The routing of one address's own, as a resource of group ip makes it, looks after it, and takes it away."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..node import addresses
from ..node.addresses import IpAddress
from ..node.commands import Runner
from ..node.policy_routes import PolicyRoute, table_number


class Routing:
    """Rules and tables of the addresses of one service, for one resource.

    The table goes by service and address: the number of the resource may change while the address is up.
    """

    def __init__(self, run: Runner, rid: str, service: str):
        self._run = run
        self._rid = rid
        self._service = service

    def way_out(self, address: IpAddress, gateway: Optional[IpAddress] = None, device: str = "") -> PolicyRoute:
        """The way out of an address; without a gateway it is one that is to be taken away."""
        table = table_number("%s/%s" % (self._service, address))
        return PolicyRoute(address, str(gateway) if gateway else None, device, table)

    def problem(self, way_out: PolicyRoute) -> str:
        """What is not there, or left by an earlier definition, in words; empty when all is well. Raises Undetermined."""
        strays, missing = way_out.faults()
        if missing:
            return "its routing over %s is not complete: a start mends it" % way_out.gateway
        return "rules and routes of an earlier definition are left: a start or stop takes them away" if strays else ""

    def make(self, way_out: PolicyRoute, anew: bool) -> None:
        """Make it as it is wanted. In check mode `anew` says that nothing of it would be there any more."""
        strays, missing = ([], way_out.all_commands()) if anew else way_out.faults()
        for command in strays + missing:
            self._run.change(command, addresses.DEADLINE, self._rid)

    def take_away(self, address: IpAddress, kept: Sequence[List[str]] = ()) -> bool:
        """Take away all routing of an address, whatever definition has made it; whether there was any.

        `kept` are the commands that would have removed what was there before.
        """
        commands = [command for command in self.way_out(address).present() if command not in kept]
        for command in commands:
            self._run.change(command, addresses.DEADLINE, self._rid)
        return bool(commands)
