# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

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
