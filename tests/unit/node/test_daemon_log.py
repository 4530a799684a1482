# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.daemon_log import DaemonLog


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "dockerd.log"
    path.write_text("an earlier run\n")
    return DaemonLog(str(path))


def write(log, text):
    with open(log.path, "a") as stream:
        stream.write(text)


def test_only_what_came_since_counts(log):
    os.close(log.open())
    assert not log.says("earlier") and log.last_words() == ""
    write(log, "level=info msg=up\nlevel=error msg=one\ntwo\n")
    assert log.says("msg=up") and log.last_words() == "level=error msg=one | two"
    log.mark()
    assert not log.says("msg=up")
    write(log, "three\n")
    assert log.says("three") and log.last_words() == "three"


def become(make):
    """Something else in the place of the log."""

    def vanish(path):
        os.remove(path)
        make(path)

    return vanish


@pytest.mark.parametrize(
    "vanish",
    [os.remove, lambda path: os.truncate(path, 0), become(os.mkfifo), become(os.mkdir)],
    ids=["removed", "emptied", "a pipe", "a folder"],
)
def test_a_log_that_is_gone_says_nothing(log, vanish):
    log.mark()
    vanish(log.path)
    assert not log.says("earlier")
    assert log.last_words() == ""


def test_only_the_end_of_a_long_log_is_read(log):
    log.mark()
    write(log, "first\n" + "x" * (1 << 17) + "\nlast\n")
    assert log.says("last") and not log.says("first")


def test_a_log_that_was_not_there(tmp_path):
    log = DaemonLog(str(tmp_path / "later.log"))
    log.mark()
    assert not log.says("now")
    write(log, "now\n")
    assert log.says("now")
