# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of a whole service, killed before each change: the status is true, the next action finishes."""

from __future__ import annotations

from typing import Callable

import pytest
from ansible_collections.dockyard.svc.tests.whole import Whole, commands, everything, make_whole, template, walk, whole
from ansible_collections.dockyard.svc.tests.wire import wire

__all__ = ["make_whole", "template", "whole", "wire"]


def test_the_sequence(whole: Whole) -> None:
    """Start, again, stop, again: each is true, the second time nothing happens, and check mode foretells all of it (F109)."""
    assert whole.truthful()["overall"] == "down"
    whole.start()
    whole.stop()
    for state, overall in (("started", "up"), ("restarted", "up"), ("stopped", "down"), ("restarted", "up")):
        before = everything(whole.folder)
        planned = whole.act(state, check_mode=True)
        assert everything(whole.folder) == before
        outcome = whole.act(state)
        assert commands(planned) == commands(outcome) and not outcome["failed"], outcome["msg"]
        assert whole.truthful()["overall"] == overall
        if state != "restarted":
            again = whole.act(state)
            assert not again["changed"] and again["commands"] == []
    whole.stop()
    assert whole.remains() == []


def started(whole: Whole) -> None:
    """A start brings it up, a second one has nothing to do, a stop leaves nothing."""
    assert whole.start()["status"]["overall"] == "up"
    assert all(whole.there().values()) and whole.truthful()["overall"] == "up"
    again = whole.start()
    assert not again["changed"] and again["commands"] == []
    stopped(whole)


def stopped(whole: Whole) -> None:
    """A stop leaves nothing, gives evidence of everything, and a second one has nothing to do."""
    outcome = whole.stop()
    assert set(outcome["evidence"]) == {*outcome["status"]["resources"], "docker daemon"}
    assert whole.remains() == [] and whole.truthful()["overall"] == "down"
    assert not whole.stop()["changed"]


@pytest.mark.parametrize("then", [started, stopped], ids=["then started", "then stopped"])
def test_start_killed_before_each_change(make_whole: Callable[..., Whole], then: Callable[[Whole], None]) -> None:
    """Whatever was up by then is told as up and the rest as down."""
    walk(make_whole, "started", lambda whole: None, then, at_least=9)
