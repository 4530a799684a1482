# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions in the large: sections, keywords of both dialects, suggestions, clashes between services."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse, parse_all

PATH = "app1-prd/svc1"
C0 = {"image": "google/pause"}


def refused(raw, node="n1"):
    """The message of a definition that must not pass."""
    with pytest.raises(DefinitionError) as caught:
        parse_all({PATH: raw}, node)
    return str(caught.value)


def container(node="n1", **keywords):
    """The values of a service with one container."""
    return parse(PATH, {"container#0": keywords}, node).resources[0].values


def test_the_defaults_of_a_small_definition():
    service = parse(
        PATH,
        {
            "env": "PRD",
            "app": "APP1",
            "docker_data_dir": "/srv/{svcpath}/docker",
            "container#0": {"type": "docker", **C0},
        },
        "n1",
    )
    assert service.values["docker_data_dir"] == "/srv/app1-prd/svc1/docker"
    assert (service.values["env"], service.values["app"], service.values["docker_socket_group"]) == (
        "PRD",
        "APP1",
        "root",
    )
    assert service.private and service.runs_here
    values = service.resources[0].values
    assert (values["rm"], values["optional"], values["stop_timeout"], values["image_pull_policy"]) == (
        False,
        False,
        10.0,
        "once",
    )


SAME = [
    (
        {"container#0": {"run_image": "i", "run_command": "sh -c 'a b'", "net": "host"}},
        {
            "container#0": {
                "image": "i",
                "command": ["sh", "-c", "a b"],
                "netns": "host",
                "interactive": True,
                "tty": True,
            }
        },
    ),
    (
        {"container#0": {"run_image": "i", "tty": False, "interactive": "no"}},
        {"container#0": {"image": "i", "tty": False, "interactive": False}},
    ),
    (
        {"container#0": {"run_image@n1": "i", "run_image": "j"}},
        {"container#0": {"image": "i", "tty": True, "interactive": True}},
    ),
    (
        {"container#0": {"image@n1": "i", "run_image@n2": "j"}},
        {"container#0": {"image": "i"}},
    ),
    ({"vg#1": {"vgname": "data"}}, {"disk#1": {"type": "vg", "name": "data"}}),
    ({"vg#1": {"name": "data", "type": None}}, {"disk#1": {"type": "vg", "name": "data"}}),
    ({"lv#1": {"name": "root", "vgname": "data"}}, {"disk#1": {"type": "lv", "name": "root", "vg": "data"}}),
    ({"loop#1": {"file": "/srv/f"}}, {"disk#1": {"type": "loop", "file": "/srv/f"}}),
    (
        {"fs#1": {"type": "tmpfs", "mnt": "/srv/m", "mnt_opts": "ro"}},
        {"fs#1": {"type": "tmpfs", "mnt": "/srv/m", "mnt_opt": "ro"}},
    ),
    ({"ip#1": {"name": "a.b", "dev": "eth0"}}, {"ip#1": {"type": "host", "ipname": "a.b", "ipdev": "eth0"}}),
    ({"service_type": "DEV", "container#0": C0}, {"DEFAULT": {"env": "DEV"}, "container#0": C0}),
    ({"container_data_dir": "/srv/d", "container#0": C0}, {"docker_data_dir": "/srv/d", "container#0": C0}),
    ({"autostart_node": "n1", "mode": "hosted", "container#0": C0}, {"container#0": C0}),
    ({"container#0": {**C0, "always_on": "yes"}}, {"container#0": {**C0, "standby": True}}),
    ({"container#0": {**C0, "command": None, "type": None}, "env": None, "DEFAULT": None}, {"container#0": C0}),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_older_words_mean_what_they_meant(old, new):
    first, second = parse(PATH, old, "n1"), parse(PATH, new, "n1")
    assert first.values == second.values
    assert [(r.rid, r.type, r.values) for r in first.resources] == [(r.rid, r.type, r.values) for r in second.resources]


WRONG = [
    ({"container#0": {"imgae": "i"}}, ["section [container#0]", "keyword imgae", "did you mean image?"]),
    ({"container#0": {"run_imag": "i"}}, ["keyword run_imag", "did you mean run_image?"]),
    ({"container#0": {**C0, "stop_timout@n1": 3}}, ["keyword stop_timout@n1", "did you mean stop_timeout?"]),
    ({"docker_datadir": "/srv/x"}, ["section [DEFAULT]", "keyword docker_datadir", "did you mean docker_data_dir?"]),
    ({"contaner#0": C0}, ["contaner#0", "unknown section", "did you mean container?"]),
    ({"container": C0}, ["unknown section"]),
    ({"container#": C0}, ["unknown section", "<group>#<index>"]),
    ({"container#0 ": C0}, ["unknown section"]),
    ({"container#../x": C0}, ["unknown section"]),
    ({"container#" + "1" * 17: C0}, ["unknown section"]),
    ({"Container#0": C0}, ["unknown section", "did you mean container?"]),
    ({"volume#0": {}}, ["unknown section", "ip, disk, fs, container"]),
    ({"subset#contaner:a": {}}, ["unknown section", "did you mean container?"]),
    ({"container#0": {}}, ["section [container#0]", "keyword image", "is missing"]),
    ({"container#0": {"image": None}}, ["keyword image", "is missing"]),
    (
        {"ip#1": {"ipname": "a"}},
        ["keyword ipdev", "is missing: The network interface. eth0:3 means eth0 with that label."],
    ),
    ({"vg#": {"name": "v"}}, ["section ['vg#']", "unknown section"]),
    (
        {"disk#1": {"type@node1": "vg", "name": "v"}},
        ["section [disk#1], keyword type@node1: cannot differ between nodes"],
    ),
    ({"container#0": {"image": 1.1}}, ["keyword image", "must stand in quotes"]),
    ({"container#0": {**C0, "user": 60050}}, ["keyword user", "'60050' must stand in quotes"]),
    ({"fs#1": {"type": "tmpfs", "mnt": "/srv/a", "perm": 504}}, ["keyword perm", "'504' must stand in quotes"]),
    ({"container#0": {"run_image": ""}}, ["keyword run_image", "one word"]),
    ({"container#0": {"image": "a", "run_image": "b"}}, ["keyword run_image", "given twice", "older name of image"]),
    ({"container#0": {"type": "dokcer", **C0}}, ["keyword type", "unknown type 'dokcer'", "did you mean docker?"]),
    ({"container#0": {"type": ["docker"], **C0}}, ["keyword type", "must be a text, not a list"]),
    ({"container#0": {"type@n1": "docker", **C0}}, ["type@n1", "cannot differ between nodes"]),
    ({"nodes@n1": "n1"}, ["nodes@n1", "cannot differ between nodes"]),
    (
        {"container#0": {**C0, "image_pull_policy": "alway"}},
        ["keyword image_pull_policy", "is not one of once, always, never", "did you mean always?"],
    ),
    ({"container#0": {**C0, "rm": "perhaps"}}, ["keyword rm", "must be true or false"]),
    ({"container#0": None}, ["section [container#0]", "must be a mapping"]),
    ({"container#0": "google/pause"}, ["section [container#0]", "must be a mapping"]),
    ({"container#0": [C0]}, ["section [container#0]", "must be a mapping", "list"]),
    ({"disk#1": {"name": "x"}}, ["section [disk#1]", "keyword type", "is missing", "vg, lv, loop"]),
    ({"vg#1": {"vgname": "a b"}}, ["section [vg#1]", "keyword vgname", "one word"]),
    ({"vg#1": {"vgname": "a"}, "disk#1": {"type": "vg", "name": "b"}}, ["two sections [disk#1]"]),
    ({"fs#1": {"type": "ext5", "mnt": "/srv/a"}}, ["keyword type", "did you mean ext"]),
    ({"DEFAULT": {"env": "A"}, "app": "x", "env": "B"}, ["keyword env", "given twice"]),
    ({"DEFAULT": ["env"]}, ["unknown keyword"]),
    ({"docker_daemon_args": "--mtu 1400", "container#0": C0}, ["keyword docker_daemon_args", "needs docker_data_dir"]),
    ({"docker_socket_group": "team1", "container#0": C0}, ["keyword docker_socket_group", "needs docker_data_dir"]),
    ({"docker_subnet": "10.1.1.0/24", "container#0": C0}, ["keyword docker_subnet", "needs docker_data_dir"]),
    ({5: 5}, ["keyword 5", "unknown keyword"]),
    ({"container#0": {**C0, True: 1, "x\ny": 2}}, ["keyword True", "keyword x\\ny"]),
    ({"a\n#1": 1}, ["section [a\\n#1]"]),
    ({"image@\x1b[2J": 1}, ["image@\\x1b[2J"]),
    (None, ["must be a mapping"]),
    ([], ["must be a mapping"]),
    ("text", ["must be a mapping"]),
]


@pytest.mark.parametrize(("raw", "fragments"), WRONG)
def test_a_mistake_names_service_section_keyword_and_what_would_be_right(raw, fragments):
    message = refused(raw)
    for fragment in [PATH, *fragments]:
        assert fragment in message
    assert message.replace("\n", "").isprintable()


def test_every_mistake_of_every_service_is_told_at_once():
    with pytest.raises(DefinitionError) as caught:
        parse_all({"a": {"container#0": {"imag": "x", "rm": "?"}}, "b/c": {"apps": "x"}, "-v": {}}, "n1")
    message = str(caught.value)
    for fragment in [
        "a, section [container#0], keyword imag:",
        "keyword rm:",
        "keyword image: is missing",
        "b/c, section [DEFAULT], keyword apps",
        "'-v'",
    ]:
        assert fragment in message
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize("raw", [None, [], "svc1", 5, [{"svc1": {}}]])
def test_definitions_that_are_no_mapping(raw):
    with pytest.raises(DefinitionError, match="must be a mapping of service paths"):
        parse_all(raw, "n1")


def test_resources_come_in_the_order_of_a_start():
    raw = {"container#%s" % index: dict(C0) for index in ("10", "2", "a", "1")}
    raw["container#0"] = {**C0, "subset": "late"}
    raw["fs#1"] = {"type": "tmpfs", "mnt": "/srv/m"}
    raw["vg#1"] = {"vgname": "v"}
    raw["ip#1"] = {"ipname": "a", "ipdev": "eth0"}
    rids = [resource.rid for resource in parse(PATH, raw, "n1").resources]
    assert rids == [
        "ip#1",
        "disk#1",
        "fs#1",
        "container#1",
        "container#2",
        "container#10",
        "container#a",
        "container#0",
    ]


def test_subsets_may_run_side_by_side():
    raw = {"subset#container:web": {"parallel": True}, "subset#fs:x": {}, "container#0": {**C0, "subset": "web"}}
    assert parse(PATH, raw, "n1").parallel_subsets == {"container:web"}


def test_where_a_service_runs():
    for raw, expected in [
        ({}, True),
        ({"nodes": "n1 n2"}, True),
        ({"nodes": "n2"}, False),
        ({"nodes": ["n2"], "drpnodes": "n1"}, True),
    ]:
        assert parse(PATH, raw, "n1").runs_here is expected


def test_a_keyword_given_for_other_nodes_only_is_missing_where_the_service_runs():
    raw = {"nodes": "n1 n2", "container#0": {"image@n1": "i"}}
    assert parse(PATH, raw, "n1").resources[0].values["image"] == "i"
    assert "keyword image: is missing" in refused(raw, "n2")
    assert not parse(PATH, raw, "n3").runs_here


def test_keywords_of_storage_given_for_other_nodes_only_are_no_problem_where_the_service_does_not_run():
    raw = {
        "nodes": "n1",
        "ip#1": {"ipname@n1": "192.0.2.1", "ipdev@n1": "eth0"},
        "vg#1": {"vgname@n1": "v"},
        "lv#2": {"vgname@n1": "v", "name@n1": "l"},
        "loop#3": {"file@n1": "/srv/f"},
        "fs#1": {"type": "ext4", "mnt@n1": "/srv/a", "dev@n1": "/dev/v/l"},
        "fs#2": {"type": "bind", "mnt@n1": "/srv/b", "dev@n1": "/srv/a"},
    }
    assert [resource.rid for resource in parse(PATH, raw, "n2").resources] == [
        resource.rid for resource in parse(PATH, raw, "n1").resources
    ]
    assert [resource.rid for resource in parse(PATH, dict(reversed(list(raw.items()))), "n2").resources][-1] == "fs#2"
    assert len(parse_all({"a": raw, "b": {"nodes": "n2", "fs#1": {"type": "tmpfs", "mnt": "/srv/a"}}}, "n2")) == 2


ROOTS = [
    ("/srv/app1", "/srv/app1", "is the data root of service"),
    ("/srv/app1", "/srv/app1/", "is the data root of service"),
    ("/srv//app1", "/srv/app1", "is the data root of service"),
    ("/srv/app1", "/srv/app1/docker", "is inside the data root of service"),
    ("/srv/app1/a/b", "/srv/app1", "is inside the data root of service"),
    ("/srv/{namespace}", "/srv/root/x", "is inside the data root of service"),
    ("/srv/app1", "/srv/app10", None),
    ("/srv/app1", "/srv/app1-x", None),
    ("/srv/app1/a", "/srv/app1/b", None),
    ("/srv/{svcpath}", "/srv/{svcpath}", None),
]


@pytest.mark.parametrize(("first", "second", "relation"), ROOTS)
def test_two_services_of_a_node_on_one_data_root(first, second, relation):
    raw = {"s1": {"docker_data_dir": first, "container#0": C0}, "b/s2": {"docker_data_dir": second, "container#0": C0}}
    if relation is None:
        assert len(parse_all(raw, "n1")) == 2
        return
    with pytest.raises(DefinitionError) as caught:
        parse_all(raw, "n1")
    message = str(caught.value)
    for fragment in ["s1", "b/s2", "section [DEFAULT], keyword docker_data_dir", relation, "/srv/{svcpath}/docker"]:
        assert fragment in message


def test_names_that_sort_between_a_data_root_and_what_is_inside_hide_nothing():
    roots = ["/srv/a", "/srv/a-1", "/srv/a.b", "/srv/a/x", "/srv/a0"]
    raw = {"s%d" % number: {"docker_data_dir": root, "container#0": C0} for number, root in enumerate(roots)}
    with pytest.raises(DefinitionError) as caught:
        parse_all(raw, "n1")
    assert [problem.service for problem in caught.value.problems] == ["s3"]


def test_services_of_different_nodes_may_share_a_data_root():
    raw = {
        name: {"nodes": node, "docker_data_dir": "/srv/a", "container#0": C0}
        for name, node in (("a", "n1"), ("b", "n2"))
    }
    assert len(parse_all(raw, "n1")) == 2


@pytest.mark.parametrize(
    "folder", ["/etc", "/etc/docker", "/var", "/var/lib/docker", "/var/lib/docker/x", "/proc/1", "/dev", "/usr/local"]
)
def test_the_nodes_own_folders_are_no_data_root(folder):
    message = refused({"docker_data_dir": folder, "container#0": C0})
    assert "keyword docker_data_dir" in message and "belongs to the node" in message


def test_two_services_with_one_id_or_one_network():
    raw = {
        "a": {"id": "x", "docker_data_dir": "/srv/a", "docker_subnet": "10.1.0.0/16", "container#0": C0},
        "b": {"id": "x", "docker_data_dir": "/srv/b", "docker_subnet": "10.1.2.0/24", "container#0": C0},
    }
    with pytest.raises(DefinitionError) as caught:
        parse_all(raw, "n1")
    assert "b, section [DEFAULT], keyword id: x is the id of service a, too" in str(caught.value)
    assert "b, section [DEFAULT], keyword docker_subnet: 10.1.2.0/24 overlaps the network of service a" in str(
        caught.value
    )
