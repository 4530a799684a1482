# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision and start of a whole service, killed before each change: the status is true, the next action finishes."""

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


def test_provision_killed_before_each_change(make_whole: Callable[..., Whole]) -> None:
    """The next provision goes on from there; then the service starts, and unprovision leaves nothing."""

    def then(whole: Whole) -> None:
        outcome = whole.act("provisioned")
        assert not outcome["failed"], outcome["msg"]
        whole.stop()  # a disk that the killed one has left up was up before the second one
        assert whole.remains() == []
        assert not whole.act("provisioned")["changed"]
        assert whole.remains() == []
        outcome = whole.act("started", rid="ip,disk,fs")
        assert not outcome["failed"], outcome["msg"]
        outcome = whole.act("unprovisioned")
        assert not outcome["failed"], outcome["msg"]
        assert whole.remains() == [] and not whole.leftovers()

    walk(make_whole, "provisioned", lambda whole: None, then, at_least=8, empty=True)


def test_unprovision_killed_before_each_change(make_whole: Callable[..., Whole]) -> None:
    """The next unprovision finishes, or a provision and a start make it anew."""

    def before(whole: Whole) -> None:
        outcome = whole.act("provisioned")
        assert not outcome["failed"], outcome["msg"]
        whole.start(rid="ip,disk,fs")

    def then(whole: Whole) -> None:
        outcome = whole.act("unprovisioned")
        assert not outcome["failed"], outcome["msg"]
        assert whole.remains() == [] and not whole.leftovers()
        for state in ("provisioned", "unprovisioned"):
            outcome = whole.act(state)
            assert not outcome["failed"], outcome["msg"]
        assert whole.remains() == [] and not whole.leftovers()

    walk(make_whole, "unprovisioned", before, then, at_least=6, empty=True)
