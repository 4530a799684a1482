# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Work that is done side by side, and one after the other where the node has no room for another thread."""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Dict, List, Sequence, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def side_by_side(work: Callable[[Item], Answer], items: Sequence[Item], limit: int) -> List[Answer]:
    """Do the same for each item, up to `limit` at once; the answers in the order of the items.

    All are done when it returns. Raises the failure of the first item that has one.
    """
    waiting = deque(enumerate(items))
    answers: Dict[int, Answer] = {}
    failures: Dict[int, Exception] = {}

    def serve() -> None:
        while True:
            try:
                position, item = waiting.popleft()
            except IndexError:
                return
            try:
                answers[position] = work(item)
            except Exception as error:
                failures[position] = error

    helpers: List[threading.Thread] = []
    try:
        for _number in range(min(limit, len(items)) - 1):
            helper = threading.Thread(target=serve)
            try:
                helper.start()
            except RuntimeError:  # a limit on processes is reached: those that there are do the work
                break
            helpers.append(helper)
        serve()
    finally:
        waiting.clear()
        for helper in helpers:
            helper.join()
    if failures:
        raise failures[min(failures)]
    return [answers[position] for position in range(len(items))]
