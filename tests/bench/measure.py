"""Let the contestants run in turns, and write the table. Runs inside tests/sandbox; see tests/bench/run."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import traceback
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Callable

from contestants import (
    HUNDRED,
    SIX,
    Bare,
    BareFull,
    CommunityDocker,
    Full,
    NotRun,
    OwnCost,
    Six,
    Stage,
    Status,
)

COLD_STARTS = 20
AGAINST_BARE = ("first start", "cold start", "stop", "full start", "full stop")


class Bench:
    """The measurements of one run. Contestants take turns within a round, so that a busy machine slows all of them."""

    def __init__(self, work: Path, rounds: int):
        self.rounds = rounds
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.cold_starts: list[int] = []
        self.problems: list[str] = []
        stage = Stage(work / "stage")
        self.ours = Six(stage)
        self.bare = Bare(stage)
        self.tasks = CommunityDocker(stage, work / "collections")
        self.own = OwnCost(stage)
        self.full, self.bare_full = Full(stage), BareFull(stage)
        self.one, self.hundred = Status(stage, HUNDRED[:1]), Status(stage, HUNDRED)

    def attempt(self, parts: list[Callable[[], None]]) -> None:
        """Do the parts in turn. One that could not be run ends it, because it may have left daemons behind."""
        for part in parts:
            say((part.__doc__ or "").strip())
            try:
                part()
            except NotRun as error:
                self.problems.append("%s: %s" % (part.__name__, error))
            except Exception:
                self.problems.append("%s: %s" % (part.__name__, traceback.format_exc()))
            if self.problems:
                return

    # Parts

    def warm_up(self) -> None:
        """Run everything once, so that programs and plugins are in memory, and nothing is there in the end."""
        self.own.trivial()
        self.one.read()
        self.bare.first_start()
        self.bare.stop()
        self.bare.forget()
        self._cold_start("warm-up")
        self._stop_and_forget()
        self.seconds.clear()
        self.cold_starts.clear()

    def cold(self) -> None:
        """Cold starts and stops: with new data roots, then with containers that are there."""
        for _round in range(self.rounds):
            self.note("empty play", self.own.empty())
            self.note("trivial play", self.own.trivial())
            for name in ("first start", "cold start"):
                if not self._cold_start(name):
                    self.ours.stop()
                    continue
                self.note("stop", self.ours.stop())
                self.note("stop, the action alone", self.ours.action_alone())
                self.note(f"{name}, bare", self.bare.first_start() if name == "first start" else self.bare.start())
                self.note("stop, bare", self.bare.stop())
            self.ours.forget()
            self.bare.forget()

    def warm(self) -> None:
        """Starts with daemons that run: nothing to do, then containers to start."""
        self.ours.start()
        self.bare.first_start()
        if self.tasks.available:
            self.tasks.start()
        for _round in range(self.rounds):
            self.note("start again", self.ours.start())
            self.note("empty play", self.own.empty())
            self.note("trivial play", self.own.trivial())
            self.note("start again, pipelining", self.ours.start(ANSIBLE_PIPELINING="true"))
            self.note("trivial play, pipelining", self.own.trivial(ANSIBLE_PIPELINING="true"))
        for _round in range(self.rounds if self.tasks.available else 0):
            self.ours.stop_containers()
            self.note("start containers", self.ours.start())
            self.bare.each("stop", "task")
            self.note("start containers, tasks", self.tasks.start())
        if self.tasks.available:
            self.bare.each("rm", "--force", "task")
        self.bare.stop()
        self.bare.forget()
        self._stop_and_forget()

    def status(self) -> None:
        """The status of many services that are down, and of one."""
        for _round in range(self.rounds):
            self.note("status of 100", self.hundred.read())
            self.note("status of one", self.one.read())

    def everything(self) -> None:
        """A service with an address, a disk, a file system, a daemon on it and two containers."""
        self.full.make()
        self.bare_full.make()
        self.full.start()
        self.full.stop()
        for _round in range(self.rounds):
            self.note("empty play", self.own.empty())
            self.note("trivial play", self.own.trivial())
            self.note("full start", self.full.start())
            self.note("full start, the action alone", self.full.action_alone())
            self.note("full start again", self.full.start())
            self.note("full status", self.full.status())
            self.note("full stop", self.full.stop())
            self.note("full stop, the action alone", self.full.action_alone())
            self.note("full start, bare", self.bare_full.start())
            self.note("full stop, bare", self.bare_full.stop())

    def twenty(self) -> None:
        """More cold starts, until there are twenty."""
        while len(self.cold_starts) < COLD_STARTS:
            self._cold_start("cold start, uncontested")
            self.ours.stop()
        self.ours.forget()

    def note(self, name: str, seconds: float) -> None:
        self.seconds[name].append(seconds)
        say("%-28s %6.2f s" % (name, seconds))

    def _cold_start(self, name: str) -> bool:
        """Whether all six came up. Only then the time counts."""
        seconds = None
        try:
            seconds = self.ours.start()
        except NotRun as error:
            say(str(error))
        self.cold_starts.append(self.ours.running())
        if seconds is None or self.cold_starts[-1] < len(SIX):
            say("%s: only %d of %d came up" % (name, self.cold_starts[-1], len(SIX)))
            return False
        self.note(name, seconds)
        self.note(name + ", the action alone", self.ours.action_alone())
        return True

    def _stop_and_forget(self) -> None:
        self.ours.stop()
        self.ours.forget()


class Table:
    """The rows, from the seconds that were measured."""

    def __init__(self, bench: Bench):
        self._seconds = bench.seconds
        self._bench = bench

    def markdown(self, only_twenty: bool) -> str:
        head = ["| what | ours | other | measured | bar | verdict |", "| --- | ---: | ---: | ---: | ---: | --- |"]
        rows = [self._twenty()]
        if not only_twenty:
            rows = [
                *self._against_bare("first start of six (new data roots, image archive)", "first start", 1.5),
                *self._against_bare("cold start of six (containers are there)", "cold start", 1.5),
                self._above("start again (nothing to do), less an empty play", "start again", "empty play", 1.0),
                self._above("start again (nothing to do), less a trivial play", "start again", "trivial play", 1.0),
                *self._against_bare("stop of six", "stop", 1.3),
                self._ratio(
                    "start of containers, other is community.docker", "start containers", "start containers, tasks", 1.0
                ),
                self._ratio(
                    "status of 100 services that are down, other is of one", "status of 100", "status of one", 2.0
                ),
                *self._against_bare(
                    "cold start with address, loop disk, ext4, daemon and two containers", "full start", 1.5
                ),
                *self._against_bare("stop of the same", "full stop", 1.3),
                self._ratio(
                    "start of the same again (nothing to do), other is its status",
                    "full start again",
                    "full status",
                    1.1,
                ),
                *rows,
            ]
        lines = [*head, *["| %s |" % " | ".join(row) for row in rows]]
        return "\n".join(lines if only_twenty else [*lines, "", *self._explanations()])

    def _against_bare(self, what: str, name: str, limit: float) -> list[list[str]]:
        """All of ansible-playbook, and of it the action on the node, each against the bare script."""
        bare = name + ", bare"
        return [
            self._ratio(what, name, bare, limit),
            self._ratio("the same, the action alone", name + ", the action alone", bare, limit),
        ]

    def _ratio(self, what: str, ours: str, other: str, limit: float) -> list[str]:
        mine, theirs = self._seconds[ours], self._seconds[other]
        if not mine or not theirs:
            return [what, "", "", "not run", "%.1f x" % limit, ""]
        ratio = median(a / b for a, b in zip(mine, theirs))
        verdict = "met" if ratio <= limit else "missed by %.2f s" % (median(mine) - limit * median(theirs))
        return [what, _seconds(median(mine)), _seconds(median(theirs)), "%.2f x" % ratio, "%.1f x" % limit, verdict]

    def _above(self, what: str, ours: str, other: str, limit: float) -> list[str]:
        mine, theirs = self._seconds[ours], self._seconds[other][-len(self._seconds[ours]) :]
        if not mine or not theirs:
            return [what, "", "", "not run", _seconds(limit), ""]
        more = median(a - b for a, b in zip(mine, theirs))
        verdict = "met" if more <= limit else "missed by %.2f s" % (more - limit)
        return [what, _seconds(median(mine)), _seconds(median(theirs)), _seconds(more), _seconds(limit), verdict]

    def _twenty(self) -> list[str]:
        counts = self._bench.cold_starts
        full = counts.count(len(SIX))
        measured = "%d of %d" % (full, len(counts))
        verdict = "missed" if full < len(counts) else "met" if full >= COLD_STARTS else "too few"
        return [
            "cold starts in which all six came up",
            "",
            "",
            measured,
            "%d of %d" % (COLD_STARTS, COLD_STARTS),
            verdict,
        ]

    def _explanations(self) -> list[str]:
        lines = [
            "Seconds are medians of %d rounds; measured is the median of the rounds' ratios or differences."
            % self._bench.rounds,
            "Other is the bare shell script, unless the row says otherwise. Ours is all of `ansible-playbook`; the action",
            "alone is the time on the node. What Ansible costs by itself is an empty play, and a trivial play with one task.",
            "Less these:",
            "",
            "| what | less an empty play | less a trivial play | times the bare script |",
            "| --- | ---: | ---: | ---: |",
            *["| %s |" % " | ".join(self._without(name)) for name in AGAINST_BARE],
            "",
            "| every measurement | median | least | most |",
            "| --- | ---: | ---: | ---: |",
        ]
        for name, values in sorted(self._seconds.items()):
            if values:
                lines.append("| %s |" % " | ".join([name, *map(_seconds, (median(values), min(values), max(values)))]))
        return [*lines, "", "%d processors, load %.1f at the end." % (os.cpu_count() or 0, os.getloadavg()[0])]

    def _without(self, name: str) -> list[str]:
        if not all(self._seconds[needed] for needed in (name, "empty play", "trivial play", name + ", bare")):
            return [name, "not run", "not run", ""]
        bare = median(self._seconds[name + ", bare"])
        parts = [
            median(self._seconds[name]) - median(self._seconds["empty play"]),
            median(self._seconds[name]) - median(self._seconds["trivial play"]),
        ]
        return [name, *map(_seconds, parts), " / ".join("%.2f x" % (part / bare) for part in parts)]


def _seconds(value: float) -> str:
    return "%.2f s" % value


def say(text: str) -> None:
    print("bench: " + text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="only the service with every kind of resource")
    parser.add_argument("--twenty", action="store_true", help="only cold starts, and whether all six came up")
    options = parser.parse_args()
    bench = Bench(options.work, options.rounds)
    everything = [bench.warm_up, bench.status, bench.cold, bench.warm, bench.everything, bench.twenty]
    parts = [bench.everything] if options.full else [bench.warm_up, bench.twenty] if options.twenty else everything
    bench.attempt(parts)
    if not options.full and len(SIX) not in bench.cold_starts:
        bench.problems.append("no cold start brought all six up")
    table = Table(bench).markdown(options.twenty)
    print(table)
    if not options.twenty:
        (options.work.parent / "bench.md").write_text(table + "\n")
    for problem in bench.problems:
        say("could not be run: " + problem)
    if bench.problems:
        shutil.rmtree(options.work / "log", ignore_errors=True)
        shutil.copytree("/var/log/dockyard", options.work / "log")
        say("the logs of services and daemons are in %s" % (options.work / "log"))
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
