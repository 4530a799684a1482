# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What can go wrong on a machine, with the facts that a person needs."""

from __future__ import annotations

import re
from typing import Optional, Sequence

_CRASH = re.compile(r"^(panic|fatal error|SIG[A-Z]+): .*$", re.MULTILINE)
"""What a program in Go says when it crashes. Source: Go, package runtime."""


class NodeError(Exception):
    """Something could not be done; the message says what happened, what the machine said, and what to do."""

    def __init__(self, message: str = ""):
        super().__init__(printable(message))


class Undetermined(NodeError):
    """Something could not be told. Never to be read as absent, stopped or down."""


class CommandFailed(NodeError):
    """A command ended with an error or did not end in time."""

    def __init__(self, argv: Sequence[str], rc: Optional[int], stdout: str, stderr: str, message: str = ""):
        self.argv = list(argv)
        self.rc = rc
        self.stdout = stdout
        self.stderr = stderr
        said = last_lines(stderr or stdout)
        super().__init__(message or "%s ended with %s%s" % (argv[0], rc, ": " + said if said else ""))


class CommandLate(CommandFailed):
    """A command was not done in time and was ended."""


class Unanswered(Undetermined):
    """A daemon was asked and did not answer."""


def printable(text: str) -> str:
    """A text that can be written in UTF-8: a name of a file may hold any byte, and those that are no letters become marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def last_lines(text: str, count: int = 3) -> str:
    """The last lines that hold something, as one line. Of a crashed program in Go, those before its stacks."""
    before, stacks, _rest = text.partition("\ngoroutine ")
    crash = _CRASH.search(before)
    if stacks and crash:
        text = before[: crash.end()]
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-count:])
