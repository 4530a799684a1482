# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.dockerd_ending import DockerdEnding
from ansible_collections.dockyard.svc.plugins.module_utils.node import processes
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.daemon_log import DaemonLog
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal

DONE = 'level=info msg="Daemon shutdown complete"'
SLEEPS, LATE = "only sleeps now", "did not end in time"


@pytest.mark.parametrize(
    ("before", "answer", "helpers", "remark", "commands"),
    [
        ("", DONE, [], SLEEPS, 1),
        ("", "level=info msg=busy", [], LATE, 2),
        ("", DONE, ["containerd"], LATE, 2),
        (DONE, "", [], LATE, 2),
    ],
    ids=["it has shut down", "it is busy", "its containerd lives", "an earlier run had shut down"],
)
def test_a_daemon_that_stays(tmp_path, before, answer, helpers, remark, commands):
    """Its process is killed at once only when all shows that it has nothing to do; else after its time."""
    path, pid_file = tmp_path / "dockerd.log", tmp_path / "docker.pid"
    path.write_text(before + "\n")
    pid_file.write_text("1\n")
    script = "trap 'echo $ANSWER' TERM; echo ready; while :; do sleep 600 & wait $!; done"
    with path.open("a") as log:
        child = subprocess.Popen(
            ["sh", "-c", script], stdout=log, env={"ANSWER": answer, "PATH": "/usr/bin:/bin"}, start_new_session=True
        )
    try:
        assert processes.wait_until(lambda: "ready" in path.read_text(), 10)
        process, journal = processes.find(child.pid), Journal("a/b")
        DockerdEnding(
            SimpleNamespace(run=Runner(journal)),
            SimpleNamespace(process=lambda: process, forget=lambda: None),
            SimpleNamespace(helpers=lambda: helpers, survivors=list),
            DaemonLog(str(path)),
            str(pid_file),
            patience=0.5 if remark == LATE else 60,
        ).end(process)
        assert not process.runs()
        assert [remark in one["text"] for one in journal.remarks()] == [True]
        assert len(journal.commands()) == commands
        assert pid_file.exists() == (remark == LATE)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_a_shim_that_ends_a_moment_later(tmp_path):
    """It is waited for: only what stays is a leftover."""
    child = subprocess.Popen(["sleep", "600"])
    process = processes.find(child.pid)
    looks = [[7], [7], []]
    DockerdEnding(
        SimpleNamespace(run=Runner(Journal("a/b"))),
        SimpleNamespace(process=lambda: process, forget=lambda: None),
        SimpleNamespace(helpers=list, survivors=lambda: looks.pop(0)),
        DaemonLog(str(tmp_path / "dockerd.log")),
        str(tmp_path / "docker.pid"),
        patience=60,
    ).end(process)
    assert looks == [] and not process.runs()
