# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stop of a whole service, killed before each change: the status is true, the next action finishes."""

from __future__ import annotations

from typing import Callable

import pytest
from ansible_collections.dockyard.svc.tests.whole import Whole, make_whole, template, walk
from ansible_collections.dockyard.svc.tests.wire import wire

__all__ = ["make_whole", "template", "wire"]


def finish(whole: Whole) -> None:
    """A stop leaves nothing, gives evidence of everything, and a second one has nothing to do."""
    outcome = whole.stop()
    assert set(outcome["evidence"]) == {*outcome["status"]["resources"], "docker daemon"}
    assert whole.remains() == [] and whole.truthful()["overall"] == "down"
    assert not whole.stop()["changed"]


def back(whole: Whole) -> None:
    """A start brings everything up again, and the next stop leaves nothing."""
    assert whole.start()["status"]["overall"] == "up"
    assert all(whole.there().values())
    finish(whole)


@pytest.mark.parametrize("then", [finish, back], ids=["then stopped", "then started"])
def test_stop_killed_before_each_change(make_whole: Callable[..., Whole], then: Callable[[Whole], None]) -> None:
    """Whatever is released by then is told as down and the rest as up."""
    walk(make_whole, "stopped", Whole.start, then, at_least=8)
