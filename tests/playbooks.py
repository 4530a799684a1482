# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the scenarios run the playbooks of the collection, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Run:
    """A finished playbook: its exit code, what it printed, and what the last task of it returned."""

    rc: int
    text: str
    result: dict = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether it changed anything."""
        return bool(self.result["changed"])

    def commands(self, service: str) -> list[str]:
        """The commands of an action on a service, as they were shown."""
        return [command["cmd"] for command in self.result["services"][service]["commands"]]

    def message(self, service: str) -> str:
        """What came of the action on a service, in words."""
        return self.result["services"][service]["msg"]


def run_playbook(
    inventory: Path,
    folders: pytest.TempPathFactory,
    playbook: str,
    *arguments: str,
    rc: int = 0,
    host: str = "localhost",
) -> Run:
    """Run the playbook dockyard.svc.PLAYBOOK. The test fails when its exit code is not `rc`."""
    folder = folders.mktemp(playbook)
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree",  # writes each host's last result
        "ANSIBLE_CALLBACK_TREE_DIR": str(folder),
    }
    argv = ["ansible-playbook", "dockyard.svc." + playbook, "--inventory", str(inventory), *arguments]
    done = subprocess.run(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False
    )
    assert done.returncode == rc, done.stdout
    written = folder / host
    return Run(done.returncode, done.stdout, json.loads(written.read_text()) if written.exists() else {})
