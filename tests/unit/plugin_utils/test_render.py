# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.plugin_utils.render import monitor, tree


def resource(state, log=(), **flags):
    common = {"optional": False, "disabled": False, "monitored": False, "standby": False, **flags}
    return {
        "state": state,
        "label": "docker container c@im",
        "log": [{"level": lv, "text": tx} for lv, tx in log],
        **common,
    }


def status(path, node, state, here=True, **more):
    groups = {"ip": "n/a", "disk": "n/a", "fs": "n/a", "container": state}
    common = {
        "env": "PRD",
        "avail": state,
        "overall": state,
        "frozen": False,
        "action": "",
        "resources": {},
        "daemon": None,
        "problems": [],
    }
    return {"path": path, "node": node, "here": here, "groups": groups, **common, **more}


def test_tree():
    resources = {
        "container#0": resource("down", [("info", "docker daemon is not running")], monitored=True, optional=True)
    }
    assert tree([status("app1-prd/svc1", "node1", "down", resources=resources)]).splitlines() == [
        "app1-prd/svc1                   down",
        "`- instances",
        "   `- node1                     down       idle",
        "      `- container#0   .M.O.... down       docker container c@im",
        "                                           # docker daemon is not running",
    ]


def test_tree_of_two_nodes_with_a_warning_and_a_running_action():
    first = status("svc1", "a", "up", resources={"container#0": resource("up", [("warn", "look")])}, frozen=True)
    second = status("svc1", "b", "undef", resources={"container#0": resource("undef")}, action="started")
    lines = tree([first, second]).splitlines()
    assert lines[0].split() == ["svc1", "undef"]
    assert lines[2].split(None, 3) == ["|-", "a", "up", "idle, started, frozen"]
    assert "# warn: look" in lines[4]
    assert lines[5].split(None, 3) == ["`-", "b", "undef", "started"]


def marks(lines):
    """The sign of each node, and overall, by service."""
    nodes = lines[0].split()[9:]
    rows = [line.split() for line in lines[1:]]
    return {row[0]: (row[7], dict(zip(nodes, row[10:]))) for row in rows}


SILENT = [
    # the state on n1, the nodes of the definition, those that gave nothing: overall, and the signs
    ("down", ["n1", "gone"], ["gone"], "undef", {"n1": "X", "gone": "?"}),
    ("up", ["n1", "gone"], ["gone"], "undef", {"n1": "O", "gone": "?"}),
    ("down", ["n1", "far"], [], "undef", {"n1": "X", "far": "?"}),
    ("up", ["n1", "far"], [], "up", {"n1": "O", "far": "?"}),
    ("down", [], ["gone"], "undef", {"n1": "X", "gone": "?"}),
    ("down", ["n1"], ["gone"], "down", {"n1": "X"}),
    ("n/a", ["gone"], ["gone"], "undef", {"n1": "/", "gone": "?"}),
    ("n/a", ["nod1"], [], "undef", {"n1": "/", "nod1": "?"}),
]


@pytest.mark.parametrize(("state", "nodes", "unread", "overall", "signs"), SILENT)
def test_a_node_that_gave_no_status_is_not_down(state, nodes, unread, overall, signs):
    one = status("a", "n1", state, here=state != "n/a", nodes=nodes)
    assert marks(monitor([one], unread).splitlines()) == {"a": (overall, signs)}
    lines = [line.split(None, 3) for line in tree([one], unread).splitlines()]
    assert lines[0] == ["a", overall]
    reason = "could not be reached or read" if unread else "was not asked"
    silent = [node for node, sign in signs.items() if sign == "?"]
    assert [line[1:] for line in lines[2:] if line[1] in silent] == [[node, "undef", reason] for node in silent]


def test_what_no_definition_places_is_not_told_of_a_node_that_was_not_asked():
    statuses = [status("a", "n1", "up", nodes=[]), status("b", "n1", "up", nodes=["n1", "far"])]
    assert marks(monitor(statuses).splitlines())["a"] == ("up", {"n1": "O", "far": "?"})


def test_groups_that_the_service_does_not_have_are_known():
    row = monitor([status("a", "n1", "down", nodes=["n1", "far"])]).splitlines()[1]
    assert row.split() == "a PRD n/a n/a n/a undef undef undef False | X ?".split()


def test_monitor_marks_every_node():
    statuses = [
        status("b/svc", "n1", "up"),
        status("b/svc", "n2", "n/a", here=False),
        status("a/svc", "n1", "down", frozen=True),
        status("a/svc", "n2", "undef"),
    ]
    header, first, second = monitor(statuses).splitlines()
    assert header.split() == "Services env ip disk fs container avail overall frozen n1 n2".split()
    assert first.split() == "a/svc PRD n/a n/a n/a undef undef undef True | X* ?".split()
    assert second.split() == "b/svc PRD n/a n/a n/a up up up False | O /".split()
