# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Many states made one. Source of the table: the OpenSVC agent's status arithmetic, but that `undef` is never neutral."""

from __future__ import annotations

from typing import Iterable

from ..drivers.base import DOWN, NOT_APPLICABLE, STANDBY_DOWN, STANDBY_UP, UNDEF, UP, WARN

_TABLE = {
    frozenset([UP, DOWN]): WARN,
    frozenset([UP, STANDBY_UP]): UP,
    frozenset([UP, STANDBY_DOWN]): WARN,
    frozenset([DOWN, STANDBY_UP]): STANDBY_UP,
    frozenset([DOWN, STANDBY_DOWN]): STANDBY_DOWN,
    frozenset([STANDBY_UP, STANDBY_DOWN]): WARN,
}


def merge(states: Iterable[str]) -> str:
    """The state of a whole from the states of its parts: `n/a` is neutral, `warn` wins, and `undef` gives `warn`."""
    merged = NOT_APPLICABLE
    for state in (WARN if state == UNDEF else state for state in states):
        if state == NOT_APPLICABLE:
            continue
        if merged in (NOT_APPLICABLE, state):
            merged = state
        elif WARN in (merged, state):
            merged = WARN
        else:
            merged = _TABLE[frozenset([merged, state])]
    return merged
