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
import ipaddress
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from .addresses import DEADLINE, IpAddress
from .commands import execute
from .errors import CommandFailed, Undetermined

_RULES = {"main": 30000, "own": 30001}
"""The rules with their priorities, which are before the kernel's own rule for the main table, 32766."""
_FIRST_TABLE = 1 << 28
_OTHER_SELECTORS = {"srclen", "dst", "iif", "oif", "fwmark", "tos", "ipproto", "not"}
"""What a rule of ours never has: it is for one whole address, and for all its packets."""
_NO_TABLE = "FIB table does not exist"

Rule = Dict[str, Any]
Command = List[str]


def table_number(owner: str) -> int:
    """The routing table of an owner: 2^28 and 28 bits of a hash, far from the numbers that people choose."""
    return _FIRST_TABLE + (int(hashlib.sha256(owner.encode()).hexdigest()[:7], 16))


@dataclass(frozen=True)
class PolicyRoute:
    """The way out of an address: over `gateway` on `device`, by the routing table `table`. None is wanted without a gateway."""

    address: IpAddress
    gateway: Optional[str]
    device: str
    table: int

    def faults(self) -> Tuple[List[Command], List[Command]]:
        """The commands that remove what an earlier definition has left, and those that make what is not there, in order.

        Raises Undetermined.
        """
        rules, routes = self._look()
        if not self.gateway:
            return self._removal(rules, self._of_ours(rules), routes), []
        strays = [rule for rule in self._of_ours(rules) if rule["table"] not in ("main", str(self.table))]
        missing = [] if any(map(self._is_route, routes)) else [self._route()]
        missing += [self._rule("add", self._table(part)) for part in _RULES if not self._has(rules, part)]
        return self._removal(rules, strays, []), missing

    def present(self) -> List[Command]:
        """The commands that remove all that is there, whatever definition has made it, in order. Raises Undetermined."""
        rules, routes = self._look()
        return self._removal(rules, self._of_ours(rules), routes)

    def all_commands(self) -> List[Command]:
        """The commands that make all of it."""
        return [self._route()] + [self._rule("add", self._table(part)) for part in _RULES] if self.gateway else []

    def _removal(self, rules: List[Rule], gone: List[Rule], routes: List[Rule]) -> List[Command]:
        """The commands that remove rules and the tables that no other rule uses; `routes` are those of the own table."""
        used = {rule.get("table") for rule in rules if rule not in gone} | {"main"}
        tables = [rule["table"] for rule in gone if rule["table"] not in used | {str(self.table)}]
        emptied = [str(self.table)] * bool(routes) + [table for table in tables if self._routes_of(table)]
        commands = [self._rule("delete", rule["table"]) for rule in reversed(gone)]
        return commands + [[*self._ip(), "route", "flush", "table", table] for table in emptied if table not in used]

    def _route(self) -> Command:
        way = ["default", "via", str(self.gateway), "dev", self.device, "onlink"]
        return [*self._ip(), "route", "replace", *way, "table", str(self.table)]

    def _rule(self, verb: str, table: str) -> Command:
        priority = _RULES["main" if table == "main" else "own"]
        words = [*self._ip(), "rule", verb, "priority", str(priority), "from", str(self.address), "lookup", table]
        return words + (["suppress_prefixlength", "0"] if table == "main" else [])

    def _table(self, part: str) -> str:
        return "main" if part == "main" else str(self.table)

    def _ip(self) -> List[str]:
        return ["ip", "-%d" % self.address.version]

    def _look(self) -> List[List[Dict[str, Any]]]:
        """All rules, and the routes of the table."""
        return self._read("rule show\nroute show table %d\n" % self.table)

    def _routes_of(self, table: str) -> List[Dict[str, Any]]:
        return self._read("rule show\nroute show table %s\n" % table)[1]

    def _read(self, commands: str) -> List[List[Dict[str, Any]]]:
        argv = ["ip", "-json", "-%d" % self.address.version, "-batch", "-"]
        try:
            result = execute(argv, DEADLINE, data=commands)
        except CommandFailed as error:
            raise Undetermined(str(error)) from error
        if result.rc and _NO_TABLE not in result.stderr:
            raise Undetermined(str(CommandFailed(argv, result.rc, result.stdout, result.stderr)))
        return parse(result.stdout)

    def _is_route(self, route: Dict[str, Any]) -> bool:
        found = (route.get("dst"), route.get("gateway"), route.get("dev"))
        return found == ("default", self.gateway, self.device)

    def _has(self, rules: List[Rule], part: str) -> bool:
        return any(rule["table"] == self._table(part) for rule in self._of_ours(rules))

    def _of_ours(self, rules: List[Rule]) -> List[Rule]:
        """The rules of the address that a way out of it has, by whatever table of ours, in the order of their priorities."""
        found = [
            rule for rule in rules if _address(rule.get("src")) == self.address and not _OTHER_SELECTORS & set(rule)
        ]
        return [rule for part in _RULES for rule in found if _is_part(rule, part)]


def _is_part(rule: Rule, part: str) -> bool:
    """Whether a rule is the one for the main table, or the one for a table of ours."""
    table = str(rule.get("table"))
    ours = table == "main" if part == "main" else table.isdigit() and 0 <= int(table) - _FIRST_TABLE < _FIRST_TABLE
    return ours and rule.get("priority") == _RULES[part] and ("suppress_prefixlen" in rule) == (part == "main")


def _address(text: Any) -> Optional[IpAddress]:
    """What the kernel wrote as an address, None for "all". It writes some of IPv6 in another way than we do."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


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
