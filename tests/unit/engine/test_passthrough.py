# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.engine.passthrough import read_words


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("ps -a", ["ps", "-a"]),
        ("exec {container#0} sh -c 'exit 7'", ["exec", "{container#0}", "sh", "-c", "exit 7"]),
        (["exec", "{container#0}", "ls", 5], ["exec", "{container#0}", "ls", "5"]),
        ("--version", ["--version"]),
        ("ps; reboot", ["ps;", "reboot"]),
    ],
)
def test_words(args, words):
    assert read_words(args) == words


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ("", "no docker arguments"),
        ([], "no docker arguments"),
        ("-H tcp://192.0.2.1:2375 ps", "own socket"),
        ("-Htcp://192.0.2.1:2375 ps", "own socket"),
        ("--host=unix:///var/run/docker.sock ps", "own socket"),
        ("--context other ps", "own socket"),
        ("-c other ps", "own socket"),
        ("--config /tmp ps", "own socket"),
        ("-D ps", "comes first"),
        ("exec 'unfinished", "cannot be split"),
        ({"ps": "-a"}, "a text or a list"),
        (["ps", "a\0b"], "NUL"),
    ],
)
def test_refused(args, reason):
    with pytest.raises(ValueError, match=reason):
        read_words(args)
