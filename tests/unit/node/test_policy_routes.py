# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules and the table of one address: what is there, and the commands for what is not."""

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import policy_routes
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Result
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import Undetermined

TABLE = 300000000
WAY = policy_routes.PolicyRoute(ipaddress.ip_address("10.9.0.5"), "10.9.0.1", "eth0", TABLE)
MAIN = {"priority": 30000, "src": "10.9.0.5", "table": "main", "suppress_prefixlen": 0}
OWN = {"priority": 30001, "src": "10.9.0.5", "table": str(TABLE)}
OTHERS = [
    {"priority": 30001, "src": "10.9.0.6", "table": "300000001"},
    {"priority": 32766, "src": "all", "table": "main"},
]
ROUTE = {"dst": "default", "gateway": "10.9.0.1", "dev": "eth0", "flags": ["onlink"]}

ADD_ROUTE = "ip -4 route replace default via 10.9.0.1 dev eth0 onlink table 300000000"
ADD_MAIN = "ip -4 rule add priority 30000 from 10.9.0.5 lookup main suppress_prefixlength 0"
ADD_OWN = "ip -4 rule add priority 30001 from 10.9.0.5 lookup 300000000"
FLUSH = "ip -4 route flush table 300000000"


def delete(command):
    return command.replace(" add ", " delete ")


def texts(commands):
    return [" ".join(command) for command in commands]


@pytest.mark.parametrize(
    ("rules", "routes", "missing", "present"),
    [
        ([], [], [ADD_ROUTE, ADD_MAIN, ADD_OWN], []),
        ([MAIN, OWN], [ROUTE], [], [delete(ADD_OWN), delete(ADD_MAIN), FLUSH]),
        ([MAIN], [ROUTE], [ADD_OWN], [delete(ADD_MAIN), FLUSH]),
        ([OWN], [], [ADD_ROUTE, ADD_MAIN], [delete(ADD_OWN)]),
        ([MAIN, OWN], [{**ROUTE, "gateway": "10.9.0.2"}], [ADD_ROUTE], [delete(ADD_OWN), delete(ADD_MAIN), FLUSH]),
        ([{**MAIN, "priority": 5}], [], [ADD_ROUTE, ADD_MAIN, ADD_OWN], []),
    ],
)
def test_what_is_missing_and_what_is_there(monkeypatch, rules, routes, missing, present):
    output = json.dumps(OTHERS + rules) + "\n" + json.dumps(routes) + "\n"
    monkeypatch.setattr(policy_routes, "execute", lambda *_arguments, **_options: Result(0, output))
    assert list(map(texts, WAY.faults())) == [[], missing]
    assert texts(WAY.present()) == present


OLD = {"priority": 30001, "src": "10.9.0.5", "table": "300000002"}
DELETE_OLD = "ip -4 rule delete priority 30001 from 10.9.0.5 lookup 300000002"
FLUSH_OLD = "ip -4 route flush table 300000002"


def tables(monkeypatch, rules, **routes):
    """What the kernel says of these rules, and of tables by their number."""

    def execute(_argv, _deadline, data):
        table = data.split()[-1]
        return Result(0, json.dumps(rules) + "\n" + json.dumps(routes.get("t" + table, [])) + "\n")

    monkeypatch.setattr(policy_routes, "execute", execute)


def test_what_an_earlier_definition_has_left(monkeypatch):
    """Its table goes with the rules; one that others use stays."""
    tables(monkeypatch, [MAIN, OWN, OLD], t300000000=[ROUTE], t300000002=[ROUTE])
    assert list(map(texts, WAY.faults())) == [[DELETE_OLD, FLUSH_OLD], []]
    assert texts(WAY.present()) == [DELETE_OLD, delete(ADD_OWN), delete(ADD_MAIN), FLUSH, FLUSH_OLD]
    tables(monkeypatch, [MAIN, OLD, {**OLD, "src": "10.9.0.6"}], t300000002=[ROUTE])
    assert texts(WAY.present()) == [DELETE_OLD, delete(ADD_MAIN)]


def test_no_way_out_is_wanted(monkeypatch):
    way = policy_routes.PolicyRoute(WAY.address, None, "eth0", TABLE)
    tables(monkeypatch, [MAIN, OWN], t300000000=[ROUTE])
    assert list(map(texts, way.faults())) == [[delete(ADD_OWN), delete(ADD_MAIN), FLUSH], []]
    tables(monkeypatch, OTHERS)
    assert way.faults() == ([], [])


@pytest.mark.parametrize(
    "rule",
    [
        {**OLD, "table": "100"},
        {**OLD, "table": "main"},
        {**OLD, "srclen": 24},
        {**OLD, "dst": "10.2.0.0", "dstlen": 16},
        {**OLD, "priority": 30000},
        {**OLD, "src": "all"},
        {"priority": 30001, "table": "300000002"},
    ],
)
def test_rules_of_others(monkeypatch, rule):
    tables(monkeypatch, [rule], t300000002=[ROUTE])
    assert WAY.present() == []


def test_ipv6_is_the_same_however_it_is_written(monkeypatch):
    way = policy_routes.PolicyRoute(ipaddress.ip_address("fd09::5"), None, "eth0", TABLE)
    tables(monkeypatch, [{**OWN, "src": "FD09:0::0005"}])
    assert texts(way.present()) == ["ip -6 rule delete priority 30001 from fd09::5 lookup 300000000"]


@pytest.mark.parametrize(
    ("text", "routes"),
    [("[{}]\n[]\n", []), ("[]", []), ("[]\n[", []), ('[]\n[{"dst":"default"}]', [{"dst": "default"}])],
)
def test_tables_that_do_not_exist(text, routes):
    assert policy_routes.parse(text) == [[], routes]


@pytest.mark.parametrize("text", ["nonsense", "5", '[]\n{"a": 1}', "[", "[]\nnonsense"])
def test_output_that_is_not_understood(text):
    with pytest.raises(Undetermined):
        policy_routes.parse(text)


@pytest.mark.parametrize(
    ("result", "known"),
    [
        (Result(2, "[]\n[", "Error: ipv4: FIB table does not exist."), True),
        (Result(2, "", "Operation not supported"), False),
    ],
)
def test_exit_codes(monkeypatch, result, known):
    monkeypatch.setattr(policy_routes, "execute", lambda *_arguments, **_options: result)
    if known:
        assert len(WAY.faults()[1]) == 3
    else:
        with pytest.raises(Undetermined):
            WAY.faults()


def test_tables_of_services():
    numbers = {policy_routes.table_number("%s/ip#1" % owner) for owner in range(500)}
    assert len(numbers) == 500
    assert all(1 << 28 <= number < 1 << 29 for number in numbers)
