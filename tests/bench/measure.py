"""Let the contestants run in turns, and write the table. Runs inside tests/sandbox; see tests/bench/run."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Callable

from contestants import HUNDRED, SIX, Bare, Collection, CommunityDocker, NotRun, OwnCost, Stage, Status

COLD_STARTS = 20


class Bench:
    """The measurements of one run. Contestants take turns within a round, so that a busy machine slows all of them."""

    def __init__(self, work: Path, rounds: int):
        self.rounds = rounds
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.cold_starts: list[int] = []
        self.problems: list[str] = []
        stage = Stage(work / "stage")
        self.ours = Collection(stage)
        self.bare = Bare(stage)
        self.tasks = CommunityDocker(stage, work / "collections")
        self.own = OwnCost(stage)
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
            for name in ("first start", "cold start"):
                self._cold_start(name)
                self.note("stop", self.ours.stop())
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
        self.bare.each("rm", "--force", "task") if self.tasks.available else None
        self.bare.stop()
        self.bare.forget()
        self._stop_and_forget()

    def status(self) -> None:
        """The status of many services that are down, and of one."""
        for _round in range(self.rounds):
            self.note("status of 100", self.hundred.read())
            self.note("status of one", self.one.read())

    def twenty(self) -> None:
        """More cold starts, until there are twenty."""
        while len(self.cold_starts) < COLD_STARTS:
            self._cold_start("cold start, uncontested")
            self.ours.stop()
        self.ours.forget()

    def note(self, name: str, seconds: float) -> None:
        self.seconds[name].append(seconds)
        say("%-28s %6.2f s" % (name, seconds))

    def _cold_start(self, name: str) -> None:
        try:
            seconds = self.ours.start()
        except NotRun as error:
            say(str(error))
            seconds = None
        running = self.ours.running()
        self.cold_starts.append(running)
        say("%d of %d came up" % (running, len(SIX)))
        if seconds is None or running < len(SIX):
            raise NotRun("a cold start failed")
        self.note(name, seconds)

    def _stop_and_forget(self) -> None:
        self.ours.stop()
        self.ours.forget()


class Table:
    """The rows, from the seconds that were measured."""

    def __init__(self, bench: Bench):
        self._seconds = bench.seconds
        self._bench = bench

    def markdown(self) -> str:
        rows = [
            self._ratio("first start of six: new data roots, image from an archive", "first start", "first start, bare", 1.5),
            self._ratio("cold start of six: containers are there", "cold start", "cold start, bare", 1.5),
            self._above("start again, nothing to do, less an empty play", "start again", "empty play", 1.0),
            self._ratio("stop of six", "stop", "stop, bare", 1.3),
            self._ratio("start of six containers against community.docker", "start containers", "start containers, tasks", 1.0),
            self._ratio("status of 100 services that are down, against one", "status of 100", "status of one", 2.0),
            self._twenty(),
        ]
        wanted = len(self._seconds["cold start"]) > 0
        notes = [*self._explanations()] if wanted else []
        return "\n".join(
            [
                "| what | ours | other | measured | bar | |",
                "| --- | ---: | ---: | ---: | ---: | --- |",
                *["| %s |" % " | ".join(row) for row in (rows if wanted else rows[-1:])],
                "",
                *notes,
            ]
        )

    def _ratio(self, what: str, ours: str, other: str, bar: float) -> list[str]:
        mine, theirs = self._seconds[ours], self._seconds[other]
        if not mine or not theirs:
            return [what, "", "", "not run", "%.1f x" % bar, ""]
        ratio = median(a / b for a, b in zip(mine, theirs))
        verdict = "met" if ratio <= bar else "missed by %.2f s" % (median(mine) - bar * median(theirs))
        return [what, _seconds(median(mine)), _seconds(median(theirs)), "%.2f x" % ratio, "%.1f x" % bar, verdict]

    def _above(self, what: str, ours: str, other: str, bar: float) -> list[str]:
        mine, theirs = self._seconds[ours], self._seconds[other][-len(self._seconds[ours]) :]
        if not mine or not theirs:
            return [what, "", "", "not run", _seconds(bar), ""]
        more = median(a - b for a, b in zip(mine, theirs))
        verdict = "met" if more <= bar else "missed by %.2f s" % (more - bar)
        return [what, _seconds(median(mine)), _seconds(median(theirs)), _seconds(more), _seconds(bar), verdict]

    def _twenty(self) -> list[str]:
        counts = self._bench.cold_starts
        full = counts.count(len(SIX))
        measured = "%d of %d" % (full, len(counts))
        verdict = "met" if full == len(counts) >= COLD_STARTS else "missed" if full < len(counts) else "too few"
        return ["cold starts in which all six came up", "", "", measured, "%d of %d" % (COLD_STARTS, COLD_STARTS), verdict]

    def _explanations(self) -> list[str]:
        def of(name: str) -> str:
            values = self._seconds[name]
            return "%.2f s (%.2f to %.2f)" % (median(values), min(values), max(values)) if values else "not run"

        names = ("empty play", "trivial play", "trivial play, pipelining", "start again, pipelining")
        every = [f"{name}: {of(name)}" for name in sorted(self._seconds)]
        without = [
            "- %s without Ansible's own start-up: %s" % (name, self._without(name))
            for name in ("first start", "cold start", "stop")
            if self._seconds[name] and self._seconds["empty play"]
        ]
        return [
            "Median of %d rounds, and of the ratios of each round. Of ours, %s are Ansible's own start-up (an empty play)."
            % (self._bench.rounds, of(names[0])),
            "",
            *without,
            "",
            *["- " + line for line in every],
            "- %d processors, load %.1f" % (os.cpu_count() or 0, os.getloadavg()[0]),
        ]

    def _without(self, name: str) -> str:
        mine = median(self._seconds[name]) - median(self._seconds["empty play"])
        return "%.2f s, %.2f x" % (mine, mine / median(self._seconds[name + ", bare"]))


def _seconds(value: float) -> str:
    return "%.2f s" % value


def say(text: str) -> None:
    print("bench: " + text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--twenty", action="store_true", help="only cold starts, and whether all six came up")
    options = parser.parse_args()
    bench = Bench(options.work, options.rounds)
    everything = [bench.warm_up, bench.status, bench.cold, bench.warm, bench.twenty]
    bench.attempt([bench.warm_up, bench.twenty] if options.twenty else everything)
    table = Table(bench).markdown()
    print(table)
    if not options.twenty:
        (options.work.parent / "bench.md").write_text(table + "\n")
    for problem in bench.problems:
        say("could not be run: " + problem)
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
