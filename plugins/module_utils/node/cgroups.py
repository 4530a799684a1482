# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Control groups: how all processes of a service are known, whatever their parents do.

With cgroup v2 there is one hierarchy. With v1 there is one for each controller; a group is the folder of the same name
in all of them, and holds the processes that any of them lists.
Sources: cgroups(7), and the kernel's cgroup-v1 and cgroup-v2 documents.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Iterator, List, Set, Tuple

from . import files, processes
from .commands import Runner
from .errors import NodeError, Undetermined


def hierarchies() -> List[str]:
    """The mount points of the cgroup hierarchies."""
    found = []
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for line in stream:
            _device, where, kind = line.split(" ")[:3]
            if kind in ("cgroup", "cgroup2"):
                found.append(where)
    return found


class ControlGroup:
    """One group, by its path below the root of each hierarchy."""

    def __init__(self, path: str, roots: List[str]):
        self.path = path
        self._folders = [root + path for root in roots]

    def below(self, name: str) -> ControlGroup:
        """A group inside this one."""
        child = ControlGroup("%s/%s" % (self.path, name), [])
        child._folders = ["%s/%s" % (folder, name) for folder in self._folders]
        return child

    def exists(self) -> bool:
        """Whether the group is there, in any hierarchy."""
        return any(map(os.path.isdir, self._folders))

    def create(self) -> None:
        """Make the group in every hierarchy. A v1 cpuset takes no process before it has cpus and memory nodes."""
        for folder in self._folders:
            try:
                os.makedirs(folder, exist_ok=True)
                _fill_cpuset(folder)
            except OSError as error:
                raise NodeError("control group %s cannot be made: %s" % (folder, error.strerror)) from error

    def attach(self, pid: int) -> None:
        """Move a process into the group. Nothing happens when it has ended."""
        for folder in self._folders:
            try:
                with open(folder + "/cgroup.procs", "w", encoding="ascii") as stream:
                    stream.write(str(pid))
            except ProcessLookupError:
                return
            except OSError as error:
                raise NodeError("pid %d cannot be moved into %s: %s" % (pid, folder, error.strerror)) from error

    def pids(self) -> Set[int]:
        """Every process in the group and in the groups inside it. Raises Undetermined when that cannot be read."""
        found: Set[int] = set()
        for folder in self._folders:
            for parent, _children, names in os.walk(folder):
                if "cgroup.procs" not in names:
                    continue
                try:
                    with open(parent + "/cgroup.procs", encoding="ascii") as stream:
                        found.update(int(line) for line in stream)
                except OSError as error:
                    if os.path.isdir(parent):
                        raise Undetermined("%s/cgroup.procs cannot be read: %s" % (parent, error.strerror)) from error
        return {pid for pid in found if pid == 0 or processes.runs(pid)}

    def children(self) -> List[str]:
        """The names of the groups directly inside."""
        names: Set[str] = set()
        for folder in self._folders:
            try:
                names.update(entry.name for entry in os.scandir(folder) if entry.is_dir())
            except OSError:
                continue
        return sorted(names)

    def kill(self, deadline: float) -> bool:
        """Kill every process in the group; whether it was empty in time. New ones that they start are killed, too."""

        def empty() -> bool:
            pids = self.pids()
            for pid in pids:
                process = processes.find(pid)
                if process:
                    processes.send(process, signal.SIGKILL)
            return not pids

        return processes.wait_until(empty, deadline)

    def is_frozen(self, inside: bool = True) -> bool:
        """Whether processes of the group are frozen: they do nothing, and with cgroup v1 not even SIGKILL ends them.

        Without `inside` the groups inside it do not matter.
        """
        return any(True for _file, _word in self._frozen(inside))

    def thaw(self, run: Runner, rid: str = "", inside: bool = True) -> bool:
        """Let the processes of the group, and of the groups inside it, go on; whether any were frozen."""
        frozen = list(self._frozen(inside))
        for file, word in frozen:
            run.do(["sh", "-c", "echo %s > %s" % (word, file)], partial(_write, file, word), rid)
        return bool(frozen)

    def _frozen(self, inside: bool) -> Iterator[Tuple[str, str]]:
        """The switch of each frozen group, outer ones first, and the word that thaws it.

        The freezer of v1 freezes what is inside with a group; there only the switch of that group helps.
        """
        for flag, switch, word in (
            ("freezer.self_freezing", "freezer.state", "THAWED"),
            ("cgroup.freeze", "cgroup.freeze", "0"),
        ):
            for folder in [folder for folder in self._folders if os.path.exists("%s/%s" % (folder, flag))]:
                for parent in [step[0] for step in os.walk(folder)] if inside else [folder]:
                    if files.kernel_text("%s/%s" % (parent, flag)) == "1":
                        yield "%s/%s" % (parent, switch), word

    def remove(self) -> None:
        """Remove the group and the empty groups inside it. A group that still holds a process stays."""
        for folder in self._folders:
            for parent, _children, _files in os.walk(folder, topdown=False):
                try:
                    os.rmdir(parent)
                except OSError:
                    continue


def _write(file: str, word: str) -> None:
    """Write a word to a file of a group. Nothing happens when the group has gone."""
    try:
        with open(file, "r+", encoding="ascii") as stream:
            stream.write(word)
    except FileNotFoundError:
        return


def _fill_cpuset(folder: str) -> None:
    if os.path.exists(folder + "/cgroup.controllers"):
        return
    chain = []
    while os.path.exists(folder + "/cpuset.cpus"):
        chain.append(folder)
        folder = os.path.dirname(folder)
    for parent, child in zip(reversed(chain[1:]), reversed(chain[:-1])):
        for name in ("cpuset.cpus", "cpuset.mems"):
            with open("%s/%s" % (child, name), encoding="ascii") as stream:
                if stream.read().strip():
                    continue
            with open("%s/%s" % (parent, name), encoding="ascii") as source, open(
                "%s/%s" % (child, name), "w", encoding="ascii"
            ) as target:
                target.write(source.read())
