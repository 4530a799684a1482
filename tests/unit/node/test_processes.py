# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import processes
from ansible_collections.dockyard.svc.plugins.module_utils.node.cgroups import ControlGroup

HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def started():
    """Starts programs, and ends them."""
    children = []

    def start(*argv):
        children.append(subprocess.Popen(argv))
        return children[-1].pid

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def headless(started):
    """A process whose first thread has ended before another one: proc(5) calls it a zombie."""
    pid = started(sys.executable, "-c", HEADLESS)
    assert processes.wait_until(lambda: processes.state(pid) == "Z", 20)
    return pid


def test_a_process_runs_until_its_last_thread_has_ended(headless):
    process = processes.find(headless)
    assert process and process.runs() and processes.runs(headless)
    assert (process.argv, process.program) == ((), "")
    assert not processes.wait_gone(process, 0.1)
    processes.send(process, signal.SIGKILL)
    assert processes.wait_gone(process, 20)
    assert not process.runs() and not processes.runs(headless)
    assert processes.find(headless) is None


def test_a_control_group_holds_it(headless, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/cgroup.procs").write_text("%d\n" % headless)
    group = ControlGroup("/x", [str(tmp_path)])
    assert group.pids() == {headless}
    assert group.kill(20)
    assert group.pids() == set()


def test_a_zombie_has_ended(started):
    pid = started("true")
    assert processes.wait_until(lambda: processes.state(pid) == "Z", 20)
    assert not processes.runs(pid)
    assert processes.find(pid) is None


def test_a_process_that_runs(started):
    pid = started("sleep", "600")
    assert processes.wait_until(lambda: getattr(processes.find(pid), "argv", None) == ("sleep", "600"), 20)
    assert str(processes.find(pid)) == "pid %d (sleep)" % pid
