# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision and unprovision of a whole service, killed before each change: the status is true, the next action finishes."""

from __future__ import annotations

from typing import Callable

from ansible_collections.dockyard.svc.tests.whole import Whole, commands, everything, make_whole, template, walk
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
