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

    check_mode = False

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
        ("unprovisioned", ["a/b", " c"], None),
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


PLACES = {"state_dir": "/var/lib/x", "run_dir": "/run/x", "log_dir": "/var/log/x", "network_pool": "10.9.0.0/16"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("run_dir", "run/x", "'run/x' must be an absolute path"),
        ("state_dir", "", "'' must be an absolute path"),
        ("log_dir", "/var/../log", "components . or .."),
        ("run_dir", "/", "is the root of the node"),
        ("network_pool", "10.0.0.0", "is too small"),
        ("network_pool", "10.0.0.0/30", "is too small"),
        ("network_pool", "0.0.0.0/0", "is too large"),
        ("network_pool", "127.0.0.0/16", "is no network for containers"),
        ("network_pool", "224.0.0.0/16", "is no network for containers"),
        ("network_pool", "10.0.0.1/16", "must be an IPv4 network"),
        ("network_pool", "nonsense", "must be an IPv4 network"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_with_its_option(monkeypatch, name, value, sentence):
    monkeypatch.setattr(arguments.os, "geteuid", lambda: 0)
    monkeypatch.setattr(arguments.signal, "signal", lambda *_arguments: None)
    monkeypatch.setattr(arguments.os, "umask", lambda _mask: None)
    with pytest.raises(Failed) as caught:
        arguments.make_host(Module(**{**PLACES, name: value}))
    assert str(caught.value).startswith("%s (dockyard_%s): " % (name, name))
    assert sentence in str(caught.value)


def test_places_that_can_be_used(monkeypatch):
    monkeypatch.setattr(arguments.os, "geteuid", lambda: 0)
    monkeypatch.setattr(arguments.signal, "signal", lambda *_arguments: None)
    monkeypatch.setattr(arguments.os, "umask", lambda _mask: None)
    assert arguments.make_host(Module(**PLACES)).directories.run == "/run/x"


@pytest.mark.parametrize(("rid", "selected"), [(None, True), ("", True), ([""], True), ([], False), ([",", ""], False)])
def test_an_empty_list_is_not_all(rid, selected):
    module = Module(rid=rid, tags=None, subsets=None)
    if selected:
        assert arguments.chosen_resources(module, {}) == {}
    else:
        with pytest.raises(Failed, match="rid names nothing"):
            arguments.chosen_resources(module, {})


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"docker_data_dir": "srv/x"}, "a/b, keyword data_root: "),
        ({"docker_data_dir": "/srv/x", "docker_subnet": "10.0.0.0/30"}, "a/b, keyword subnet: "),
        ({"docker_data_dir": "/srv/x", "docker_daemon_args": "--bip=x"}, "set its network with subnet"),
    ],
)
def test_the_module_of_the_daemon_names_its_own_options(keywords, sentence):
    with pytest.raises(Failed) as caught:
        arguments.parse_one(Module(), "a/b", keywords)
    assert sentence in str(caught.value)
    assert "docker_" not in str(caught.value)


def test_what_yaml_reads_as_a_number_comes_to_the_check():
    assert arguments.keyword_options(FS)["perm"]["type"] == "raw"
    assert arguments.keyword_options(CONTAINER_DOCKER)["user"]["type"] == "raw"
    assert arguments.keyword_options(CONTAINER_DOCKER)["image"]["type"] == "raw"
