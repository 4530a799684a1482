# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules about one resource, made from the keywords of its section."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils import arguments
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import (
    CONTAINER_DOCKER,
    DISK_LOOP,
    DISK_LV,
    DISK_VG,
    FS,
    IP_HOST,
)


class Failed(Exception):
    """What a module says when it fails."""


class Module:
    """A module by its options alone. Those that are not given are None, as Ansible leaves them."""

    def __init__(self, table=None, **given):
        names = arguments.resource_options(table) if table else {}
        self.params = {**dict.fromkeys(names), "service": "a/b", "index": "0", **given}

    def fail_json(self, **result):
        raise Failed(result["msg"])


SECTIONS = [
    ("ip", IP_HOST, {"ipname": "192.0.2.1", "ipdev": "eth0"}, "ip#0", "host"),
    ("disk", DISK_VG, {"name": "v", "pvs": "/dev/sdb"}, "disk#0", "vg"),
    ("disk", DISK_LV, {"vg": "v", "name": "l"}, "disk#0", "lv"),
    ("disk", DISK_LOOP, {"file": "/srv/f", "size": "10m"}, "disk#0", "loop"),
    ("fs", FS, {"type": "xfs", "dev": "/dev/v/l", "mnt": "/srv/m"}, "fs#0", "xfs"),
]


@pytest.mark.parametrize(("group", "table", "given", "rid", "expected"), SECTIONS)
def test_the_definition_of_one_resource(group, table, given, rid, expected):
    definition = arguments.parse_resource(Module(table, **given), group, table)
    (resource,) = definition.resources
    assert (str(definition.path), resource.rid, resource.type) == ("a/b", rid, expected)
    assert resource.given == {"type", *given}


def test_the_node_can_be_named_as_in_the_inventory():
    definition = arguments.parse_resource(Module(DISK_VG, name="v", node="left.example.net"), "disk", DISK_VG)
    assert definition.node == "left.example.net"


def test_a_mistake_fails_the_module():
    with pytest.raises(Failed, match="keyword dev: is missing"):
        arguments.parse_resource(Module(FS, type="ext4", mnt="/srv/m", index="7"), "fs", FS)


@pytest.mark.parametrize("table", [IP_HOST, DISK_VG, DISK_LV, DISK_LOOP, FS, CONTAINER_DOCKER])
def test_options_are_keywords_and_documented(table):
    options = arguments.keyword_options(table)
    assert set(options) <= set(table.keywords)
    assert not set(options) & {"standby", "optional", "disable", "subset", "tags", "start_requires"}
    assert ("type" in options) is (table is FS)
    documented = arguments.keyword_documentation(table)
    assert set(documented) == set(options)
    for name, option in options.items():
        assert documented[name]["type"] == option["type"]
        assert documented[name].get("choices") == option.get("choices")
        assert documented[name].get("required") == option.get("required")


def test_defaults_are_told_as_they_are_written():
    documented = arguments.keyword_documentation(FS)
    assert documented["umount_timeout"]["description"][-1] == "The default is V(10s)."
    assert arguments.keyword_documentation(CONTAINER_DOCKER)["rm"]["description"][-1] == "The default is V(false)."


def test_secrets_are_kept_out_of_logs():
    assert arguments.keyword_options(CONTAINER_DOCKER)["secrets"]["no_log"] is True


@pytest.mark.parametrize(
    ("state", "confirm", "missing"),
    [
        ("unprovisioned", [], "a/b, c"),
        ("unprovisioned", None, "a/b, c"),
        ("unprovisioned", ["c"], "a/b"),
        ("unprovisioned", ["a/*", "c"], "a/b"),
        ("unprovisioned", ["A/B", "c"], "a/b"),
        ("unprovisioned", ["a/b", "c"], None),
        ("unprovisioned", ["d", "c", "a/b"], None),
        ("stopped", [], None),
        ("provisioned", [], None),
    ],
)
def test_data_is_destroyed_only_of_services_that_are_named_in_full(state, confirm, missing):
    module = SimpleNamespace(params={"state": state, "confirm": confirm}, fail_json=Module().fail_json)
    definitions = dict.fromkeys(("a/b", "c"))
    if missing is None:
        arguments.require_confirmation(module, definitions)
        return
    with pytest.raises(Failed) as caught:
        arguments.require_confirmation(module, definitions)
    assert "not named: %s (with the playbook: -e confirm=a/b,c)" % missing in str(caught.value)
