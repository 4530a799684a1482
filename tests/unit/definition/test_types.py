# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of values: text of an INI file or a value of YAML in, a Python value or a clear sentence out."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition import types
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import kind_of, quoted
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import DEFAULT, RESOURCES, SUBSET

GOOD = [
    (types.STRING, "rw,noatime", "rw,noatime"),
    (types.STRING, 5, "5"),
    (types.TEXT, "- a {note}", "- a {note}"),
    (types.WORD, " google/pause:1.0 ", "google/pause:1.0"),
    (types.WORD, 0, "0"),
    (types.WORD, "img@sha256:0a1b", "img@sha256:0a1b"),
    (types.QUOTED_WORD, "0770", "0770"),
    (types.QUOTED_WORD, " 1000:50 ", "1000:50"),
    (types.BOOLEAN, True, True),
    (types.BOOLEAN, "Yes", True),
    (types.BOOLEAN, 0, False),
    (types.BOOLEAN, "off", False),
    (types.DURATION, 30, 30.0),
    (types.DURATION, "1.5", 1.5),
    (types.DURATION, "500ms", 0.5),
    (types.DURATION, "2m", 120.0),
    (types.DURATION, "1 h", 3600.0),
    (types.DURATION, "7d", 604800.0),
    (types.SIZE, 4096, 4096),
    (types.SIZE, "512m", 512 << 20),
    (types.SIZE, "10GiB", 10 << 30),
    (types.SIZE, "1kb", 1024),
    (types.ITEMS, "n1 n2,n3", ["n1", "n2", "n3"]),
    (types.ITEMS, ["n1", 2], ["n1", "2"]),
    (types.ITEMS, "", []),
    (types.PATHS, "/dev/sdb, /dev/sdc", ["/dev/sdb", "/dev/sdc"]),
    (types.PATHS, ["/dev/disk/by-path/pci-0000:00:1f.2"], ["/dev/disk/by-path/pci-0000:00:1f.2"]),
    (types.PATHS, "", []),
    (types.WORDS, "sh -c 'a b'", ["sh", "-c", "a b"]),
    (types.WORDS, ["sleep", 300, "a\nb"], ["sleep", "300", "a\nb"]),
    (types.WORDS, "-e A=*\n-p 1:2", ["-e", "A=*", "-p", "1:2"]),
    (types.OPTIONS, ["-p", "22:22"], ["-p", "22:22"]),
    (types.VARIABLES, {"A": 1, "B": None, "C": True, "D": "x y"}, {"A": "1", "B": "", "C": "true", "D": "x y"}),
    (types.VARIABLES, ["A=1", "B=x=y"], {"A": "1", "B": "x=y"}),
    (types.VARIABLES, "A=1 B='x y'", {"A": "1", "B": "x y"}),
    (types.PATH, "/srv//app1/", "/srv/app1"),
    (types.PATH, "/srv/...", "/srv/..."),
    (types.GROUP_NAME, "team1", "team1"),
    (types.SUBNET, "10.20.30.0/24", "10.20.30.0/24"),
]

BAD = [
    (types.STRING, "a\nb", "line break"),
    (types.STRING, "a\x9b31m", "control character"),
    (types.STRING, "-o loop", "begin with a sign"),
    (types.STRING, "\ud800", "control character"),
    (types.STRING, "abc\u202egpj", "control character"),
    (types.TEXT, "a\0b", "control character"),
    (types.WORD, "two words", "one word"),
    (types.WORD, "-v", "not beginning with a sign"),
    (types.WORD, "", "one word"),
    (types.WORD, "a/../../etc", "components . or .."),
    (types.WORD, "im\u0430ge", "one word"),
    (types.WORD, "a;id", "one word"),
    (types.WORD, "a\n", "line break"),
    (types.WORD, "a" * 256, "one word"),
    (types.QUOTED_WORD, 0o770, "'504' must stand in quotes"),
    (types.QUOTED_WORD, 60050, "must stand in quotes"),
    (types.QUOTED_WORD, 1.1, "must stand in quotes"),
    (types.QUOTED_WORD, "a b", "one word"),
    (types.BOOLEAN, "maybe", "true or false"),
    (types.BOOLEAN, 2, "true or false"),
    (types.DURATION, "-1", "a duration such as"),
    (types.DURATION, "soon", "a duration such as"),
    (types.DURATION, "\u0663", "a duration such as"),
    (types.DURATION, "9" * 400, "a duration such as"),
    (types.DURATION, "8d", "longer than a week"),
    (types.DURATION, float("nan"), "a duration such as"),
    (types.DURATION, float("inf"), "a duration such as"),
    (types.DURATION, True, "a duration such as"),
    (types.SIZE, "10x", "a size such as"),
    (types.SIZE, "-5", "a size such as"),
    (types.SIZE, "9" * 5000, "a size such as"),
    (types.ITEMS, ["a b"], "one word"),
    (types.ITEMS, ["-a"], "not beginning with a sign"),
    (types.ITEMS, [None], "must be a text"),
    (types.PATHS, "sdb", "must be an absolute path"),
    (types.PATHS, ["/dev/a b"], "must be an absolute path"),
    (types.PATHS, "/dev/../etc", "components . or .."),
    (types.PATHS, "/", "must be an absolute path"),
    (types.PATHS, [None], "must be a text"),
    (types.WORDS, "sh -c 'a", "cannot be split as a shell would"),
    (types.WORDS, "a\0b", "control character"),
    (types.WORDS, ["a\x1b[2J"], "control character"),
    (types.WORDS, ["\udc80"], "control character"),
    (types.WORDS, ["x" * 200000], "longer than 100000 bytes"),
    (types.STRING, "/dev/../etc/shadow", "components . or .."),
    (types.WORDS, [["a"]], "must be a text"),
    (types.WORDS, [datetime.date(2024, 1, 1)], "must be a text, not a date"),
    (types.OPTIONS, ["-p", 1342], "must stand in quotes"),
    (types.VARIABLES, {"A B": "x"}, "not the name of a variable"),
    (types.VARIABLES, {"A\n": "x"}, "not the name of a variable"),
    (types.VARIABLES, {False: "x"}, "must stand in quotes"),
    (types.VARIABLES, {"A": ["x"]}, "must be a text"),
    (types.VARIABLES, "A", "must be NAME=value"),
    (types.VARIABLES, "=x", "not the name of a variable"),
    (types.PATH, "srv/app1", "absolute path"),
    (types.PATH, "", "absolute path"),
    (types.PATH, "/srv/../etc", "components . or .."),
    (types.PATH, "/srv/..", "components . or .."),
    (types.PATH, "/./srv", "components . or .."),
    (types.PATH, "/", "root of the node"),
    (types.PATH, "///", "root of the node"),
    (types.PATH, "/srv/a b", "without spaces"),
    (types.PATH, "/srv/a:b", "without spaces"),
    (types.PATH, "/srv/a,b", "without spaces"),
    (types.PATH, "/srv/\u0430", "printable characters"),
    (types.PATH, "/srv/a\n", "line break"),
    (types.PATH, "/" + "a" * 255, "at most 255"),
    (types.GROUP_NAME, "team 1", "Unix group"),
    (types.GROUP_NAME, "-g", "Unix group"),
    (types.GROUP_NAME, "a:b", "Unix group"),
    (types.GROUP_NAME, "g" * 33, "Unix group"),
    (types.SUBNET, "10.20.30.1/24", "IPv4 network"),
    (types.SUBNET, "fd00::/64", "IPv4 network"),
    (types.SUBNET, "10.0.0.0/30", "too small"),
    (types.SUBNET, "0.0.0.0/0", "too large"),
    (types.SUBNET, "127.0.0.0/8", "no network for containers"),
    (types.SUBNET, "224.0.0.0/24", "no network for containers"),
    (types.SUBNET, "169.254.0.0/16", "no network for containers"),
]

NEVER_A_TEXT = [
    (None, "nothing"),
    ([], "a list"),
    ({}, "a mapping"),
    (object(), "something else"),
    (b"x", "bytes"),
    (datetime.date(2024, 1, 1), "a date"),
    (datetime.datetime(2024, 1, 1, 1, 1), "a date"),
    ({1, 2}, "a set"),
    ((1,), "a list"),
]


@pytest.mark.parametrize(("kind", "written", "expected"), GOOD)
def test_good_values(kind, written, expected):
    assert kind.convert(written) == expected


@pytest.mark.parametrize(("kind", "written", "sentence"), BAD)
def test_bad_values_are_refused_with_what_would_be_right(kind, written, sentence):
    with pytest.raises(ValueError) as caught:
        kind.convert(written)
    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("value", "name"), NEVER_A_TEXT, ids=str)
@pytest.mark.parametrize(
    "kind",
    [types.STRING, types.TEXT, types.WORD, types.BOOLEAN, types.DURATION, types.PATH],
    ids=lambda kind: kind.name,
)
def test_what_is_no_text_is_called_by_its_name(kind, value, name):
    with pytest.raises(ValueError, match="must be a text, not %s$" % name):
        kind.convert(value)


class Tagged(int):
    """As ansible-core passes a number on, with where it was written."""


def test_no_class_of_python_is_shown():
    assert kind_of(Tagged(5)) == "a number"
    assert kind_of(True) == "true or false"
    assert quoted(None) == "nothing"
    assert quoted([Tagged(5)]) == "a list"


def _declared():
    for table in [DEFAULT, SUBSET] + [table for tables in RESOURCES.values() for table in tables.values()]:
        yield from table.keywords.values()


def test_every_default_is_a_value_of_its_type():
    for keyword in _declared():
        if keyword.default is not None:
            default = list(keyword.default) if isinstance(keyword.default, tuple) else keyword.default
            converted = keyword.type.convert(default)
            assert (list(converted) if isinstance(converted, tuple) else converted) == default, keyword.name


def test_no_two_services_share_a_default():
    table = RESOURCES["container"]["docker"]
    table.defaults()["environment"]["A"] = "changed"
    assert table.defaults()["environment"] == {}
