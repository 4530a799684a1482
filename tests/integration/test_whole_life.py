# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop of a whole service, one after the other, in check mode, and killed before each change."""

from __future__ import annotations

from functools import partial
from typing import Callable, Sequence

from ansible_collections.dockyard.svc.tests.support import container
from ansible_collections.dockyard.svc.tests.whole import (
    Whole,
    commands,
    cut,
    everything,
    make_whole,
    template,
    walk,
    whole,
)
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
    """A start brings it up, a second one has nothing to do."""
    assert whole.start()["status"]["overall"] == "up"
    assert all(whole.there().values()) and whole.truthful()["overall"] == "up"
    again = whole.start()
    assert not again["changed"] and again["commands"] == []


def stopped(whole: Whole) -> None:
    """A stop leaves nothing, gives evidence of everything, and a second one has nothing to do."""
    outcome = whole.stop()
    assert set(outcome["evidence"]) == {*outcome["status"]["resources"], "docker daemon"}
    assert whole.remains() == [] and whole.truthful()["overall"] == "down"
    assert not whole.stop()["changed"]


def test_killed_before_each_change(make_whole: Callable[..., Whole]) -> None:
    """Whatever is up by then is told as up and the rest as down. A start goes on from there, and so does a stop."""

    def life(whole: Whole, at: int, left: Sequence[bool]) -> list[bool]:
        killed = []
        ways = (("started", started), ("stopped", started), ("stopped", stopped), ("started", stopped))
        for (state, then), is_left in zip(ways, left):
            killed.append(is_left and cut(whole, state, at))
            if is_left or then is stopped:
                then(whole)
        return killed

    with_bridge = {"container#1": container(stop_timeout=3, run_args=["-p", "80"])}
    walk(partial(make_whole, **with_bridge), life, at_least=(11, 9, 9, 9))
