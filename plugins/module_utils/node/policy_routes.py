# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A way out for the packets of one address alone, by rules and a routing table of its own.

The node's routes stay as they are. Packets from the address still follow every route of the main table but the default one,
so that neighbours and containers are reached as before; then comes the address's own default route.
Source: ip-rule(8), suppress_prefixlength.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, List

from .addresses import DEADLINE, IpAddress
from .commands import execute
from .errors import CommandFailed, Undetermined

_RULES = {"main": 30000, "own": 30001}
"""The rules with their priorities, which are before the kernel's own rule for the main table, 32766."""
_NO_TABLE = "FIB table does not exist"


def table_number(owner: str) -> int:
    """The routing table of an owner: 2^28 and 28 bits of a hash, far from the numbers that people choose."""
    return (1 << 28) + (int(hashlib.sha256(owner.encode()).hexdigest()[:7], 16))


@dataclass(frozen=True)
class PolicyRoute:
    """The way out of an address: over `gateway` on `device`, by the routing table `table`."""

    address: IpAddress
    gateway: str
    device: str
    table: int

    def missing(self) -> List[List[str]]:
        """The commands that make what is not there, in order. Raises Undetermined."""
        rules, routes = self._look()
        commands = [] if any(map(self._is_route, routes)) else [self._route()]
        return commands + [self._rule("add", part) for part in _RULES if not self._has(rules, part)]

    def present(self) -> List[List[str]]:
        """The commands that remove what is there, in order. Raises Undetermined."""
        rules, routes = self._look()
        commands = [self._rule("delete", part) for part in reversed(_RULES) if self._has(rules, part)]
        return commands + ([self._flush()] if routes else [])

    def all_commands(self) -> List[List[str]]:
        """The commands that make all of it."""
        return [self._route()] + [self._rule("add", part) for part in _RULES]

    def _route(self) -> List[str]:
        way = ["default", "via", self.gateway, "dev", self.device, "onlink"]
        return [*self._ip(), "route", "replace", *way, "table", str(self.table)]

    def _flush(self) -> List[str]:
        return [*self._ip(), "route", "flush", "table", str(self.table)]

    def _rule(self, verb: str, part: str) -> List[str]:
        words = [*self._ip(), "rule", verb, "priority", str(_RULES[part]), "from", str(self.address), "lookup"]
        return words + (["main", "suppress_prefixlength", "0"] if part == "main" else [str(self.table)])

    def _ip(self) -> List[str]:
        return ["ip", "-%d" % self.address.version]

    def _look(self) -> List[List[Dict[str, Any]]]:
        """All rules, and the routes of the table."""
        argv = ["ip", "-json", "-%d" % self.address.version, "-batch", "-"]
        try:
            result = execute(argv, DEADLINE, data="rule show\nroute show table %d\n" % self.table)
        except CommandFailed as error:
            raise Undetermined(str(error)) from error
        if result.rc and _NO_TABLE not in result.stderr:
            raise Undetermined(str(CommandFailed(argv, result.rc, result.stdout, result.stderr)))
        return parse(result.stdout)

    def _is_route(self, route: Dict[str, Any]) -> bool:
        found = (route.get("dst"), route.get("gateway"), route.get("dev"))
        return found == ("default", self.gateway, self.device)

    def _has(self, rules: List[Dict[str, Any]], part: str) -> bool:
        return any(
            self._is_rule(rule, _RULES[part], "main" if part == "main" else str(self.table))
            and ("suppress_prefixlen" in rule) == (part == "main")
            for rule in rules
        )

    def _is_rule(self, rule: Dict[str, Any], priority: int, table: str) -> bool:
        return (rule.get("priority"), rule.get("src"), rule.get("table")) == (priority, str(self.address), table)


def parse(text: str) -> List[List[Dict[str, Any]]]:
    """The rules and the routes that `ip -json -batch` printed; a table that does not exist has no routes."""
    decoder, position = json.JSONDecoder(), 0
    found: List[List[Dict[str, Any]]] = []
    text = text.strip()
    while position < len(text) and len(found) < 2:
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            if len(found) == 1 and text[position:].strip() == "[":
                break
            raise Undetermined("the output of 'ip -json rule show' is no JSON: %s" % error) from error
        if not isinstance(value, list):
            raise Undetermined("the output of 'ip -json rule show' was not understood")
        found.append([item for item in value if item])
        while position < len(text) and text[position].isspace():
            position += 1
    return found + [[]] * (2 - len(found))
