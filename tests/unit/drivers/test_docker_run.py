# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse
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
    assert run_words(*section(**keywords), "/id", []) == LEAD + LABELS + words


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
