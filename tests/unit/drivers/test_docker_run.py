# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse
from ansible_collections.dockyard.svc.plugins.module_utils.definition.paths import ServicePath
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.docker_run import needs_bridge, run_words


def section(**keywords):
    raw = {
        "docker_data_dir": "/srv/x",
        "id": "the-id",
        "container#0": {"image": "im", **keywords},
        "container#1": {"image": "im"},
    }
    service = parse("ns/svc", raw, "node1")
    return next(resource for resource in service.resources if resource.rid == "container#0"), service


LEAD = ["run", "--detach", "--cidfile", "/id", "--name", "ns..svc.container.0"]
LABELS = [
    "--label",
    "dockyard.svc.id=the-id",
    "--label",
    "dockyard.svc.path=ns/svc",
    "--label",
    "dockyard.svc.rid=container#0",
]


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({}, ["--network", "none", "im"]),
        ({"command": "sh -c 'a b'"}, ["--network", "none", "im", "sh", "-c", "a b"]),
        ({"run_args": "-p 80:80"}, ["--network", "bridge", "-p", "80:80", "im"]),
        ({"run_args": "--network host"}, ["--network", "host", "im"]),
        ({"netns": "container#1"}, ["--network", "container:ns..svc.container.1", "im"]),
        ({"hostname": "h", "user": "u:g"}, ["--network", "none", "--hostname", "h", "--user", "u:g", "im"]),
        ({"privileged": True, "tty": False}, ["--network", "none", "--privileged", "im"]),
        ({"environment": {"A": "b c"}}, ["--network", "none", "--env", "A=b c", "im"]),
        ({"secrets": {"PASSWORD": "hidden"}}, ["--network", "none", "--env", "PASSWORD", "im"]),
        ({"volume_mounts": "/a:/b:ro"}, ["--network", "none", "--volume", "/a:/b:ro", "im"]),
        ({"devices": "/dev/null"}, ["--network", "none", "--device", "/dev/null", "im"]),
    ],
)
def test_words(keywords, words):
    assert run_words(*section(**keywords), "/id", [], "/run/it.sock") == LEAD + LABELS + words


OLD = "/opt/opensvc/var/svc/docker.sock"
NAMESPACED = "/var/lib/opensvc/namespaces/ns/svc/svc/docker.sock"
SOCKETS = [
    ({"volume_mounts": OLD + ":/d:ro"}, ["--volume", "/run/it.sock:/d:ro", "im"]),
    ({"volume_mounts": NAMESPACED + ":/d"}, ["--volume", "/run/it.sock:/d", "im"]),
    ({"run_args": "-v %s:/d -p 1:1" % OLD}, ["-v", "/run/it.sock:/d", "-p", "1:1", "im"]),
    ({"run_args": "--volume %s:/d" % NAMESPACED}, ["--volume", "/run/it.sock:/d", "im"]),
    ({"run_args": "--volume=%s:/d" % OLD}, ["--volume=/run/it.sock:/d", "im"]),
    ({"run_args": "-itv %s:/d" % OLD}, ["-itv", "/run/it.sock:/d", "im"]),
    ({"run_args": "-v%s:/d" % OLD}, ["-v/run/it.sock:/d", "im"]),
    ({"run_args": "-v=%s:/d" % OLD}, ["-v=/run/it.sock:/d", "im"]),
    # not the socket of this service, or not the source of a volume
    ({"volume_mounts": "/var/lib/opensvc/svc/svc/docker.sock:/d"},
     ["--volume", "/var/lib/opensvc/svc/svc/docker.sock:/d", "im"]),
    ({"volume_mounts": "/opt/opensvc/var/svc2/docker.sock:/d"},
     ["--volume", "/opt/opensvc/var/svc2/docker.sock:/d", "im"]),
    ({"volume_mounts": OLD + "x:/d"}, ["--volume", OLD + "x:/d", "im"]),
    ({"volume_mounts": "/a:" + OLD}, ["--volume", "/a:" + OLD, "im"]),
    ({"run_args": "--label %s:/d" % OLD}, ["--label", OLD + ":/d", "im"]),
    ({"docker_data_dir": None, "volume_mounts": OLD + ":/d"}, ["--volume", OLD + ":/d", "im"]),
]  # fmt: skip


@pytest.mark.parametrize(("keywords", "words"), SOCKETS)
def test_the_socket_where_older_definitions_find_it(keywords, words):
    root = keywords.pop("docker_data_dir", "/srv/x")
    definition, service = section(**keywords)
    service.values["docker_data_dir"] = root
    assert run_words(definition, service, "/id", [], "/run/it.sock")[-len(words) :] == words


def test_the_old_sockets_of_the_root_namespace():
    assert ServicePath.parse("svc").old_sockets() == (OLD, "/var/lib/opensvc/svc/svc/docker.sock")


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({}, False),
        ({"netns": "host"}, False),
        ({"netns": "container#1"}, False),
        ({"netns": "bridge"}, True),
        ({"run_args": "-P"}, True),
        ({"run_args": "--network mine"}, True),
    ],
)
def test_needs_bridge(keywords, expected):
    assert needs_bridge(section(**keywords)[0]) is expected
