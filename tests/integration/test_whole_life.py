# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop of a whole service, one after the other, in check mode, and killed before each change."""

from __future__ import annotations

from typing import Callable, Sequence

import pytest
from ansible_collections.dockyard.svc.tests.support import container
from ansible_collections.dockyard.svc.tests.whole import (
    SIDE_BY_SIDE,
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


@pytest.fixture
def services(make_whole: Callable[..., Whole]) -> list[Whole]:
    """Services with a bridge and a published port, down."""
    with_bridge = {"container#1": container(stop_timeout=3, run_args=["-p", "80"])}
    return [make_whole(**with_bridge) for _number in range(SIDE_BY_SIDE)]


def test_start_killed_before_each_change(services: list[Whole]) -> None:
    """Whatever is up by then is told as up and the rest as down, and a stop leaves nothing."""

    def life(whole: Whole, at: int, _left: Sequence[bool]) -> list[bool]:
        killed = cut(whole, "started", at)
        stopped(whole)
        return [killed]

    walk(services, life, at_least=[11])


def test_stop_killed_before_each_change(services: list[Whole]) -> None:
    """The same the other way: a start brings it up again."""

    def life(whole: Whole, at: int, _left: Sequence[bool]) -> list[bool]:
        killed = cut(whole, "stopped", at)
        started(whole)
        return [killed]

    for service in services:
        service.start()
    walk(services, life, at_least=[9])


def test_killed_again_and_again(services: list[Whole]) -> None:
    """Each run makes a change or two and is killed: the next one goes on from there, all the way up, and down again."""
    whole, *_others = services
    for state, finish in (("started", started), ("stopped", stopped)):
        seen, at = [whole.there()], 2
        while cut(whole, state, at):
            now = whole.there()
            at = at + 1 if now == seen[-1] else 2  # what was done is not seen there: let the next one go further
            seen += [now] if now != seen[-1] else []
        finish(whole)
        assert len(seen) >= 6, seen
