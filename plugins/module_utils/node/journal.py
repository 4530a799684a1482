# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What is done to one service: every command and every remark, in order.

A journal goes three ways at once: into the result of the module, into the log file of the service, and to the person
who watches the action.
"""

from __future__ import annotations

import shlex
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence

Sink = Callable[[str], None]
_OUTPUT_KEPT = 4000


@dataclass
class Event:
    """One line of a journal. `argv` is set for commands; `rc` stays None for a command that was not run."""

    rid: str
    level: str
    text: str
    argv: Optional[List[str]] = None
    rc: Optional[int] = None
    seconds: float = 0.0
    output: str = ""

    def as_dict(self) -> Dict[str, Any]:
        """For the result of a module."""
        if self.argv is None:
            return {"rid": self.rid, "level": self.level, "text": self.text}
        return {
            "rid": self.rid,
            "cmd": self.text,
            "rc": self.rc,
            "seconds": round(self.seconds, 3),
            "output": self.output,
        }


@dataclass
class Journal:
    """The journal of one service. `sinks` get each line as it comes."""

    service: str
    sinks: List[Sink] = field(default_factory=list)
    events: List[Event] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remark(self, rid: str, text: str, level: str = "info") -> None:
        """Note something that is no command."""
        self._add(Event(rid, level, clean(text)))

    def command(self, rid: str, argv: Sequence[str]) -> Event:
        """Note a command before it runs; the caller completes the event with `complete`."""
        event = Event(rid, "command", clean(shell_line(argv)), argv=list(argv))
        self._add(event)
        return event

    def complete(self, event: Event, rc: Optional[int], seconds: float, output: str) -> None:
        """Note how a command ended."""
        event.rc, event.seconds, event.output = rc, seconds, output[-_OUTPUT_KEPT:].strip()
        for line in event.output.splitlines()[-20:]:
            self._write(event.rid, "  " + clean(line))
        if rc:
            self._write(event.rid, "  exit code %d after %.1f s" % (rc, seconds))

    def commands(self) -> List[Dict[str, Any]]:
        """The commands alone."""
        return [event.as_dict() for event in self.events if event.argv is not None]

    def remarks(self) -> List[Dict[str, Any]]:
        """Everything but the commands."""
        return [event.as_dict() for event in self.events if event.argv is None]

    def _add(self, event: Event) -> None:
        with self._lock:
            self.events.append(event)
        mark = {"warn": "warning: ", "error": "error: "}.get(event.level, "")
        self._write(event.rid, mark + event.text)

    def _write(self, rid: str, text: str) -> None:
        line = "%s%s  %s" % (self.service, "." + rid if rid else "", text)
        for sink in self.sinks:
            sink(line)


def shell_line(argv: Sequence[str]) -> str:
    """A command as it can be pasted into a shell."""
    return " ".join(shlex.quote(word) for word in argv)


def clean(text: str) -> str:
    """Text from elsewhere on one line and without control characters, which could forge log lines or drive a terminal."""
    return "".join(char if char.isprintable() else {"\n": " | ", "\t": " "}.get(char, "?") for char in text.strip())


def timestamped(write: Sink) -> Sink:
    """A sink that puts the local time before each line, for log files."""
    return lambda line: write(time.strftime("%Y-%m-%d %H:%M:%S ") + line)
