# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What is wrong with a definition, said so that its author can mend it."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Iterable, List

_MARKUP = re.compile(r"\b[A-Z]\(([^()]*)\)")


@dataclass(frozen=True)
class Problem:
    """One mistake: the service, the section and the keyword it is in (empty when it concerns the whole), and the fix."""

    service: str
    section: str
    keyword: str
    message: str

    def __str__(self) -> str:
        place = [self.service]
        if self.section:
            place.append("section [%s]" % self.section)
        if self.keyword:
            place.append("keyword %s" % self.keyword)
        text = "%s: %s" % (", ".join(place), self.message)
        return (
            text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
        )


class DefinitionError(Exception):
    """Raised with every problem that was found, not with the first alone."""

    def __init__(self, problems: List[Problem]):
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def not_a_mapping(value: object) -> DefinitionError:
    """The error for definitions that are no mapping of services at all."""
    message = "must be a mapping of service paths to definitions, not %s" % kind_of(value)
    return DefinitionError([Problem("dockyard_services", "", "", message)])


def nearest(word: str, words: Iterable[str]) -> str:
    """A sentence fragment that offers the valid word closest to a wrong one, or an empty string."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return "; did you mean %s?" % close[0] if close else ""


def kind_of(value: object) -> str:
    """What a value is, in the words of those who write YAML. Ansible's own classes derive from these."""
    if value is None:
        return "nothing"
    for kind, name in (
        (str, "a text"),
        (bool, "true or false"),
        ((int, float), "a number"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
        (Set, "a set"),
        (datetime.date, "a date"),
        (bytes, "bytes"),
    ):
        if isinstance(value, kind):
            return name
    return "something else"


def unmarked(text: str) -> str:
    """A text of the documentation without its markup: `C(eth0)` is eth0."""
    return _MARKUP.sub(r"\1", text)


def quoted(value: object, limit: int = 60) -> str:
    """Foreign text made fit for a message: one line, control characters escaped, shortened."""
    if value is None or not isinstance(value, (str, int, float)):
        return kind_of(value)
    text = repr(str(value))
    return text if len(text) <= limit else text[: limit - 4] + "...'"
