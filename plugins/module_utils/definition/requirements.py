# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The values of `start_requires` and its like: the states that other resources must have before an action on this one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Tuple

from .errors import kind_of, nearest, quoted
from .rids import RID, current_name

STATES = ("up", "down", "warn", "undef", "n/a", "stdby up", "stdby down")
"""The words of a status."""
_RUNNING = ("up", "stdby up")
_DOWN = ("down", "stdby down")
_ITEM = re.compile(r"\s*([^\s,()]+)\s*(?:\(([^()]*)\))?[\s,]*")


@dataclass(frozen=True)
class Requirement:
    """That the resource `rid` is in one of `states`."""

    rid: str
    states: Tuple[str, ...] = _RUNNING

    @property
    def allows_down(self) -> bool:
        """Whether the resource may be down."""
        return any(state in _DOWN for state in self.states)

    def __str__(self) -> str:
        return self.rid if self.states == _RUNNING else "%s(%s)" % (self.rid, ",".join(self.states))


def requirements(value: Any) -> Tuple[Requirement, ...]:
    """Read `fs#1 ip#0(down,stdby down)`, or a list of such texts. Raises ValueError."""
    texts = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(requirement for text in texts for requirement in _read(text)))


def _read(text: Any) -> Tuple[Requirement, ...]:
    if not isinstance(text, str):
        raise ValueError("must be a text such as fs#1 ip#0(down,stdby down), not %s" % kind_of(text))
    found = []
    position = 0
    text = text.strip()
    while position < len(text):
        match = _ITEM.match(text, position)
        if not match:
            raise ValueError("%s must be resources with states, such as fs#1 ip#0(down,stdby down)" % quoted(text))
        rid = current_name(match.group(1))
        if not RID.fullmatch(rid):
            raise ValueError("%s is not a resource such as fs#1" % quoted(match.group(1)))
        found.append(Requirement(rid) if match.group(2) is None else Requirement(rid, _states(match.group(2))))
        position = match.end()
    return tuple(found)


def _states(text: str) -> Tuple[str, ...]:
    states = tuple(" ".join(word.split()) for word in text.split(","))
    for state in states:
        if state not in STATES:
            hint = nearest(state, STATES)
            raise ValueError("%s is not a status, which is one of %s%s" % (quoted(state), ", ".join(STATES), hint))
    return states
