# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service paths: what is a name, and what must never become a folder, a socket or a container."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.paths import ServicePath, short_id

GOOD = {
    "svc1": ("", "svc1"),
    "app1-prd/svc1": ("app1-prd", "svc1"),
    "docker.opensvc.com": ("", "docker.opensvc.com"),
    "a/b": ("a", "b"),
    "n-1_x.y/s2": ("n-1_x.y", "s2"),
    "a" * 32 + "-" + "b" * 7: ("", "a" * 32 + "-" + "b" * 7),
}

HOSTILE = [
    "", " ", "/", "//", ".", "..", "../../etc", "a/..", "a/../b", "/etc", "a/", "/a", "a//b", "a/b/c", "./a", "a b",
    " a", "a ", "a;id", "a&b", "a|b", "$(id)", "`id`", "a'b", 'a"b', "a\\b", "a%n", "a*", "a?", "~", "a=b", "a:b",
    "a@b", "a#1", "a\n", "\na", "a\nb", "a\r", "a\t", "a\0", "a\x1b[31m", "a/b\n", "-v", "--host", "-", "a-", "a--b",
    "a..b", "a.-b", "_a", ".a", "1a", "A", "appA", "\u0430pp1", "app\u0661", "app\uff11", "a\u200bb", "a\u202eb",
    "caf\u00e9", "\ud800", "a" * 33, "a" * 41, "a" * 300, "a/" * 200, "a" * 31 + "/" + "b." * 20 + "c" * 9,
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), GOOD.items())
def test_a_path_is_read_and_written_back(text, parts):
    path = ServicePath.parse(text)
    assert (path.namespace, path.name) == parts
    assert str(path) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_refused_in_one_printable_line(text):
    with pytest.raises(DefinitionError) as caught:
        parse_all({text: {"container#0": {"image": "i"}}}, "n1")
    message = str(caught.value)
    assert "is not a service path" in message
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    "name", ["x", "private", "lock", "subnets.json", "subnets.json.lock", "a.dockerd", "n/a.dockerd"]
)
def test_a_name_whose_place_is_taken_is_refused(name):
    with pytest.raises(DefinitionError, match=r"is not a service path: .*; take another name"):
        parse_all({name: {}}, "n1")


@pytest.mark.parametrize(
    "name", ["n/x", "x/x", "lock/private", "xx", "dockerd", "a/dockerd", "dockerd.a", "subnets.jso"]
)
def test_a_name_beside_it_is_not(name):
    assert list(parse_all({name: {}}, "n1")) == [name]


@pytest.mark.parametrize("name", [None, 1, 1.5, True, ("a", "b"), b"svc1"])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(DefinitionError, match="must be a text"):
        parse_all({name: {}}, "n1")


def test_what_is_named_after_a_service():
    root, other = ServicePath.parse("svc1"), ServicePath.parse("app1-prd/svc1")
    assert root.container_name("0") == "svc1.container.0"
    assert other.container_name("db") == "app1-prd..svc1.container.db"
    assert root.default_id() == ServicePath.parse("svc1").default_id() != other.default_id()
    assert len(short_id(root.default_id())) == 10


def test_no_two_paths_share_a_slug():
    paths = ["a/b", "a.b", "a-b", "a_b", "a/b.c", "a.b/c", "a.b.c"]
    assert len({ServicePath.parse(path).slug for path in paths}) == len(paths)
