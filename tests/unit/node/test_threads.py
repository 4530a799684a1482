# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.threads import side_by_side

ROOM = [0, 1, 2, 100]


@pytest.fixture(params=ROOM, ids=lambda room: "room for %d" % room)
def room(request, monkeypatch):
    """How many more threads the node has room for."""
    start, left = threading.Thread.start, [request.param]

    def limited(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return request.param


@pytest.mark.parametrize("limit", [1, 3, 16])
def test_answers_are_in_the_order_of_the_items(room, limit):
    assert side_by_side(lambda item: item * 2, list(range(20)), limit) == list(range(0, 40, 2))
    assert side_by_side(str, [], limit) == []


def test_all_are_done_before_the_first_failure_is_raised(room):
    done = []

    def work(item):
        if item in (3, 7):
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match=r"^3$"):
        side_by_side(work, list(range(10)), 4)
    assert sorted(done) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_no_more_than_the_limit_at_once():
    meeting = threading.Barrier(3, timeout=30)  # broken, and an error, unless three come
    now, most, lock = [0], [0], threading.Lock()

    def work(_item):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        meeting.wait()
        with lock:
            now[0] -= 1
        meeting.wait()

    side_by_side(work, list(range(9)), 3)
    assert most == [3]


def test_an_interrupt_ends_it():
    """What waits is not begun any more."""
    done = []

    def work(item):
        if item == 1:
            raise KeyboardInterrupt
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, list(range(5)), 1)
    assert done == [0]
