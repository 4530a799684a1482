# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shlex

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import CommandFailed
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal, clean, shell_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines", "two | lines"),
        ("tab\there", "tab here"),
        ("\x1b[31mred", "?[31mred"),
        ("a\rb\x07", "a?b?"),
        ("\u202eevil", "?evil"),
    ],
)
def test_foreign_text_cannot_forge_lines_or_drive_a_terminal(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize("argv", [["echo", "a b"], ["sh", "-c", "x; 'y'"], ["docker", "run", "--label", "a#b"]])
def test_what_is_logged_can_be_pasted(argv):
    assert shlex.split(shell_line(argv)) == argv


def test_a_command_is_recorded_with_its_end():
    lines = []
    journal = Journal("app/svc", [lines.append])
    Runner(journal).change(["sh", "-c", "echo out; echo err >&2"], 10, "container#0")
    (command,) = journal.commands()
    assert command["rc"] == 0
    assert command["output"] == "out\nerr"
    assert command["seconds"] >= 0
    assert lines[0].startswith("app/svc.container#0  sh -c")


@pytest.mark.parametrize(
    ("argv", "deadline", "reason"),
    [
        (["sh", "-c", "echo why >&2; exit 3"], 10, "ended with 3: why"),
        (["sh", "-c", "echo so far; sleep 60"], 0.3, "not done after 0.3 s.*so far"),
        (["no-such-program"], 10, "not installed"),
    ],
)
def test_a_failure_tells_what_the_machine_said(argv, deadline, reason):
    with pytest.raises(CommandFailed, match=reason):
        Runner(Journal("svc")).change(argv, deadline)


def test_check_mode_records_and_does_not_run(tmp_path):
    journal = Journal("svc")
    run = Runner(journal, check_mode=True)
    run.change(["touch", str(tmp_path / "made")], 10)
    run.do(["touch", str(tmp_path / "done")], (tmp_path / "done").touch)
    assert [command["cmd"].split()[0] for command in journal.commands()] == ["touch", "touch"]
    assert list(tmp_path.iterdir()) == []


def test_the_environment_of_the_person_does_not_reach_commands(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere")
    journal = Journal("svc")
    Runner(journal).change(["env"], 10, environment={"SECRET": "x"})
    assert "DOCKER_HOST" not in journal.commands()[0]["output"]
