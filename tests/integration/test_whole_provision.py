# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision and unprovision of a whole service, killed before each change: the status is true, the next action finishes."""

from __future__ import annotations

from typing import Callable, Sequence

from ansible_collections.dockyard.svc.tests.whole import (
    SIDE_BY_SIDE,
    Whole,
    commands,
    cut,
    everything,
    make_whole,
    template,
    walk,
)
from ansible_collections.dockyard.svc.tests.wire import wire

__all__ = ["make_whole", "template", "wire"]


def test_check_mode_of_provisioning(make_whole: Callable[..., Whole]) -> None:
    """The same commands as the real run, and no trace, from nothing to nothing (F109)."""
    whole = make_whole(empty=True)
    for state, rid in (
        ("provisioned", ""),
        ("started", "ip,disk,fs"),
        ("frozen", ""),
        ("thawed", ""),
        ("unprovisioned", ""),
    ):
        before = everything(whole.folder)
        planned = whole.act(state, check_mode=True, rid=rid)
        assert everything(whole.folder) == before
        outcome = whole.act(state, rid=rid)
        assert not outcome["failed"] and commands(planned) == commands(outcome) != [], outcome["msg"]
    assert whole.remains() == [] and not whole.leftovers()


def well(whole: Whole, *states: str, **options: str) -> None:
    """Actions that do not fail."""
    for state in states:
        outcome = whole.act(state, **options)
        assert not outcome["failed"], outcome["msg"]


def test_killed_before_each_change(make_whole: Callable[..., Whole]) -> None:
    """The next provision goes on from there; the next unprovision does too, and leaves nothing, or all can be made anew."""

    def life(whole: Whole, at: int, left: Sequence[bool]) -> list[bool]:
        killed = [left[0] and cut(whole, "provisioned", at)]
        well(whole, "provisioned")
        whole.stop()  # a disk that the killed one has left up was up before the second one
        assert whole.remains() == []
        assert not whole.act("provisioned")["changed"]
        assert whole.remains() == []
        well(whole, "started", rid="ip,disk,fs")
        killed.append(left[1] and cut(whole, "unprovisioned", at))
        well(whole, "unprovisioned")
        assert whole.remains() == [] and not whole.leftovers()
        well(whole, "provisioned", "unprovisioned")
        assert whole.remains() == [] and not whole.leftovers()
        return killed

    walk([make_whole(empty=True) for _number in range(SIDE_BY_SIDE)], life, at_least=(8, 6))
