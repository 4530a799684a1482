# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value means on one node: scopes and references."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse

PATH = "app1-prd/svc1"
SCOPED = {"image": "plain", "image@nodes": "nodes", "image@drpnodes": "drp", "image@n1": "node"}


@pytest.mark.parametrize(
    ("node", "keys", "expected"),
    [
        ("n1", ("image", "image@nodes", "image@n1"), "node"),
        ("n2", ("image", "image@nodes", "image@n1"), "nodes"),
        ("d1", ("image", "image@nodes", "image@drpnodes"), "drp"),
        ("d1", ("image", "image@nodes"), "plain"),
        ("n3", ("image", "image@nodes", "image@drpnodes", "image@n1"), "plain"),
        ("both", ("image", "image@nodes", "image@drpnodes"), "nodes"),
        ("n1", ("image@nodes", "image@n1"), "node"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("old", [False, True])
def test_the_most_specific_scope_wins_in_any_order(node, keys, expected, order, old):
    keywords = {key.replace("image", "run_image" if old else "image"): SCOPED[key] for key in keys[::order]}
    raw = {"nodes": "n1 n2 n3x both", "drpnodes": ["d1", "both"], "container#0": keywords}
    assert parse(PATH, raw, node).resources[0].values["image"] == expected


def test_scopes_of_default_and_env():
    raw = {
        "DEFAULT": {"nodes": "n1 n2", "app": "a", "app@n2": "b", "comment": "{env.size}"},
        "env": {"size": 1, "size@n2": 2},
    }
    assert [(s.values["app"], s.values["comment"]) for s in (parse(PATH, raw, "n1"), parse(PATH, raw, "n2"))] == [
        ("a", "1"),
        ("b", "2"),
    ]


def test_nodes_may_come_from_env():
    raw = {
        "DEFAULT": {"nodes": "{env.where}"},
        "env": {"where": "n1"},
        "container#0": {"image@nodes": "x", "image": "y"},
    }
    assert parse(PATH, raw, "n1").resources[0].values["image"] == "x"


VALUES = [
    ("{svcpath}", "app1-prd/svc1"),
    ("{svcname}", "svc1"),
    ("{namespace}", "app1-prd"),
    ("{nodename}", "n1"),
    ("{rid}", "container#0"),
    ("{env.x}", "one"),
    ("{env.deep}", "one-one"),
    ("{env.n}", "3"),
    ("{env.flag}", "true"),
    ("{DEFAULT.app}", "shop"),
    ("{DEFAULT.env}", "TST"),
    ("{DEFAULT.service_type}", "TST"),
    ("{fs#1.mnt}", "/srv/m"),
    ("{fs#1.mnt_opts}", "ro"),
    ("{disk#1.name}", "data"),
    ("{vg#1.vgname}", "data"),
    ("{container#1.run_image}", "other"),
    ("{disk#2.exposed_devs[0]}", "/dev/data/root"),
    ("{lv#2.exposed_devs[0]}", "/dev/data/root"),
    ("{disk#3.exposed_devs[0]}", "/srv/one.img"),
    ("a{svcname}b{svcname}", "asvc1bsvc1"),
    (
        "{not a reference} {} {1} ${HOME} {{.Names}} {unknown} {Names.x} {a.b[0]}",
        "{not a reference} {} {1} ${HOME} {{.Names}} {unknown} {Names.x} {a.b[0]}",
    ),
]


def definition(**keywords):
    return {
        "app": "shop",
        "env": {
            "x": "one",
            "deep": "{env.x}-{env.x}",
            "n": 3,
            "flag": True,
            "a": "{env.b}",
            "b": "{env.a}",
            "list": ["x"],
            "nil": None,
        },
        "fs#1": {"type": "tmpfs", "mnt": "/srv/m", "mnt_opt": "ro"},
        "vg#1": {"vgname": "data"},
        "lv#2": {"vg": "{disk#1.name}", "name": "root"},
        "loop#3": {"file": "/srv/{env.x}.img"},
        "container#1": {"image": "other", "secrets": {"TOKEN": "hunter2"}},
        "container#0": {"image": "i", **keywords},
    }


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_references(text, expected):
    service = parse(PATH, definition(command=["x", text], environment={"A": text}), "n1")
    values = service.resources[-2].values
    assert values["command"] == ["x", expected]
    assert values["environment"] == {"A": expected}


def test_the_root_namespace_has_a_name():
    assert parse("svc1", {"comment": "{namespace} {svcpath}"}, "n1").values["comment"] == "root svc1"


BAD = [
    ({"hostname": "{svcnam}"}, "unknown reference {svcnam}; did you mean svcname?"),
    ({"hostname": "{env.y}"}, "unknown reference {env.y}; did you mean env.x?"),
    ({"command": "sh {env.y}"}, "unknown reference {env.y}"),
    ({"run_args": "-v {fs#2.mnt}:/x"}, "unknown reference {fs#2.mnt}; did you mean fs#1.mnt?"),
    ({"hostname": "{env.list}"}, "the value of {env.list} is a list: only a text or a number can be put in"),
    ({"command": "echo {env.nil}"}, "the value of {env.nil} is nothing"),
    ({"hostname": "{env.a}"}, "round in a circle"),
    ({"command": "{env.a}"}, "round in a circle"),
    ({"hostname": "{container#0.hostname}"}, "round in a circle"),
    ({"command": "echo {container#1.secrets}"}, "unknown reference {container#1.secrets}"),
    ({"command": "{disk#1.exposed_devs[0]}"}, "a volume group has no device of its own: write /dev/GROUP/VOLUME"),
    ({"command": "{disk#3.exposed_devs[1]}"}, "unknown reference {disk#3.exposed_devs[1]}; did you mean disk#"),
    ({"command": "{fs#1.exposed_devs[0]}"}, "unknown reference {fs#1.exposed_devs[0]}"),
    ({"hostname": "{namespace}/../{svcname}"}, "components . or .."),
]


@pytest.mark.parametrize(("keywords", "sentence"), BAD)
def test_references_that_lead_nowhere(keywords, sentence):
    with pytest.raises(DefinitionError) as caught:
        parse(PATH, definition(**keywords), "n1")
    message = str(caught.value)
    assert sentence in message
    assert "section [container#0], keyword %s" % next(iter(keywords)) in message
    assert "hunter2" not in message


def test_a_reference_cannot_smuggle_in_what_its_keyword_refuses():
    for value, keyword in [
        ("-v", "image"),
        ("../../etc", "image"),
        ("a b", "hostname"),
        ("--restart=always", "run_args"),
    ]:
        with pytest.raises(DefinitionError, match="keyword %s" % keyword):
            parse(PATH, {"env": {"x": value}, "container#0": {"image": "i", keyword: "{env.x}"}}, "n1")


def test_references_that_multiply_end_at_a_bound():
    env = {"e%d" % level: "{env.e%d}" % (level + 1) * 50 for level in range(7)}
    env["e7"] = "x" * 50
    with pytest.raises(DefinitionError, match="longer than"):
        parse(PATH, {"env": env, "container#0": {"image": "i", "command": "{env.e0}"}}, "n1")
