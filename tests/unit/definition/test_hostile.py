# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is written for whatever keyword: a checked value or a DefinitionError in printable lines, never anything else."""

from __future__ import annotations

import datetime
import random
import time

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition import docker_arguments
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import DEFAULT, RESOURCES
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.requirements import Requirement
from ansible_collections.dockyard.svc.plugins.module_utils.definition.secrets import join_secrets, split_secrets

ITSELF = []
ITSELF.append(ITSELF)
BOMB = "x"
for _level in range(12):
    BOMB = [BOMB] * 9
DEEP = []
for _level in range(5000):
    DEEP = [DEEP]

VALUES = [
    None, True, False, 0, -1, 1.5, float("nan"), float("inf"), 10**30, "", " ", "\n", "\0", "\x1b[2J", "\x7f", "\x9b",
    "\u2028", "\u202e", "\ud800", "\udc80", b"bytes", [], {}, (), set(), object, [None], [[]], [{}], {"a": {}},
    {None: None}, {1: 2}, {True: False}, {"a\nb": "c"}, ITSELF, BOMB, DEEP, datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1, 1, 1, 1), "--host=tcp://0.0.0.0:2375", ["--host", "tcp://0.0.0.0:2375"], "-H fd://",
    "--restart always", ["--restart=always"], "-d", "-itd", "--rm", "--name x", "evil/image", "-it evil/image",
    ["evil/image"], "-v", "--", "-", "---x=y", "..", "../..", "/../etc", "/srv/../etc", "/srv/./x", "/", "//",
    "a/../b", "/srv/a\n", "/etc:/b:/c", "/a:/b /c:/b", "$(id)", "`id`", "a;id", "a|b", "a'b", 'a"b', "a\\", "%s%n",
    "{", "}", "{}", "{svcpath", "{nope}", "{env.nope}", "{rid}", "{svcpath}", "{DEFAULT.comment}",
    "{container#0.image}", "{container#0.secrets}", "x" * 300, "x" * 3000, "9" * 5000, "1e999", "\u0661\u0662",
    "\uff11", "p\u0430use", "10.0.0.0/8", "0.0.0.0/0", "::/0", "on", "null", "A=1", "A=1 B", {"A": "1"}, {"A": ["1"]},
    "fs#0", "fs#0(down)", "container#0 disk#9", ["ip#0(up)"], "fs#0(", "x#y(\x1b)", "fs#0 " * 50,
]  # fmt: skip

SECTIONS = {"DEFAULT": DEFAULT, "container#0": RESOURCES["container"]["docker"], "ip#0": RESOURCES["ip"]["host"]}
SECTIONS.update({"disk#%d" % number: table for number, table in enumerate(RESOURCES["disk"].values())})
SECTIONS["fs#0"] = RESOURCES["fs"]["ext4"]
TYPES = {"disk#%d" % number: name for number, name in enumerate(RESOURCES["disk"])}
TYPES["fs#0"] = "ext4"


def _check(raw):
    """What the node would be given: None when it is refused properly, else the checked definition."""
    try:
        return parse_all(join_secrets(*split_secrets({"svc1": raw})), "n1")["svc1"]
    except DefinitionError as error:
        message = str(error)
        assert error.problems
        assert "svc1" in message
        assert message.replace("\n", "").isprintable()
        assert len(message) < 20000
        assert "Traceback" not in message and "object at 0x" not in message
    return None


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Requirement):
        yield from (value.rid, *value.states)
    else:
        assert value is None or isinstance(value, (bool, int, float)), value


def _assert_harmless(service):
    """What must hold of every definition that passed, however it was written."""
    for text in _texts([service.values, *(resource.values for resource in service.resources)]):
        assert not set(text) & set("\0\x1b\x7f\x9b\u2028\u202e\ud800\udc80")
    assert not list(docker_arguments.daemon_refusals(service.values["docker_daemon_args"]))
    folder = service.values["docker_data_dir"]
    assert folder is None or (folder.startswith("/") and folder != "/" and ".." not in folder.split("/"))
    for resource in service.resources:
        for keyword in (
            "image",
            "hostname",
            "user",
            "entrypoint",
            "dev",
            "mnt",
            "mnt_opt",
            "name",
            "vg",
            "ipdev",
            "ipname",
        ):
            text = resource.values.get(keyword) or "x"
            assert not text.startswith("-") and "\n" not in text and ".." not in text.split("/")
        if resource.group == "container":
            names = {name for name, _value in docker_arguments.run_options(resource.values["run_args"])}
            assert not names & {"restart", "detach", "rm", "name", "cidfile"}
            for volume in resource.values["volume_mounts"]:
                assert volume.count(":") in (1, 2) and ".." not in volume


CASES = [(section, keyword) for section, table in SECTIONS.items() for keyword in table.names()]


@pytest.mark.parametrize(("section", "keyword"), CASES)
def test_every_keyword_with_every_hostile_value(section, keyword):
    for number, value in enumerate(VALUES):
        scope = ("", "@n1", "@nodes")[number % 3]
        keywords = {"image": "i"} if section == "container#0" and keyword != "run_image" else {}
        if section in TYPES:
            keywords["type"] = TYPES[section]
        service = _check({"nodes": "n1", section: {**keywords, keyword + scope: value}, "env": {"x": value}})
        if service:
            _assert_harmless(service)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_hostile_values_for_sections_services_and_references(value):
    for raw in (
        value,
        {"DEFAULT": value},
        {"env": value},
        {"container#0": value},
        {"subset#container:a": value},
        {"vg#1": value},
    ):
        service = _check(raw)
        if service:
            _assert_harmless(service)
    service = _check(
        {
            "env": {"x": value},
            "container#0": {"image": "{env.x}", "run_args": "{env.x}", "volume_mounts": ["{env.x}:/b"]},
        }
    )
    if service:
        _assert_harmless(service)


def test_random_definitions():
    seed = 20140601
    chance = random.Random(seed)
    until = time.monotonic() + 0.3
    names = [name for table in SECTIONS.values() for name in table.names()]
    sections = [*SECTIONS, "vg#1", "container#1", "env", "subset#container:a", "nope#1", "container#", "", "a\nb"]
    characters = "az09-_./:=,;{}#@'\" \\\n\t\0\x1b\u0430\u202e\ud800*$%"
    words = ["--host=x", "-d", "-it", "-v", "/a:/b", "/srv/a", "..", "{env.x}", "{svcpath}", "--restart", "i", "n1"]

    def value(depth=0):
        kind = chance.randrange(8)
        if kind < 3:
            return "".join(chance.choice(characters) for _index in range(chance.randrange(12)))
        if kind < 5:
            return " ".join(chance.choice(words) for _index in range(chance.randrange(4)))
        if kind == 5 and depth < 3:
            return [value(depth + 1) for _index in range(chance.randrange(4))]
        if kind == 6 and depth < 3:
            return {chance.choice([*words, 1, None]): value(depth + 1) for _index in range(chance.randrange(4))}
        return chance.choice(VALUES)

    def key():
        name = chance.choice(names)
        if chance.random() < 0.2:
            name = "".join(chance.choice(characters) for _index in range(chance.randrange(8)))
        return chance.choice([name] * 8 + [name + "@n1", name + "@\x1b", 1, None, True])

    while time.monotonic() < until:
        raw = {
            chance.choice(sections): {key(): value() for _index in range(chance.randrange(4))}
            if chance.random() < 0.9
            else value()
            for _index in range(chance.randrange(1, 5))
        }
        service = _check(raw)
        if service:
            _assert_harmless(service)
