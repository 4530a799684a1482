# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Many services in one call: side by side, each under its own lock, and the failure of one is not the failure of another."""

from __future__ import annotations

import os
import time
import traceback
from contextlib import contextmanager, suppress
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from ..definition.model import Definition
from ..drivers.base import Status
from ..node import files
from ..node.commands import Runner
from ..node.errors import NodeError
from ..node.journal import Journal, Sink, clean, timestamped
from ..node.machine import Host
from ..node.threads import side_by_side
from .actions import Actions
from .instance import Instance
from .lock import locked
from .steps import ActionFailed

WORKERS = 16
DOCKER_PATIENCE = 20.0
"""How long, in seconds, an action waits for an answer of a Docker daemon: one that is busy is no reason to fail or to kill."""
VERBS: Dict[str, Callable[[Actions], None]] = {
    "started": Actions.start,
    "stopped": Actions.stop,
    "restarted": Actions.restart,
    "frozen": Actions.freeze,
    "thawed": Actions.thaw,
    "provisioned": Actions.provision,
    "unprovisioned": Actions.unprovision,
}
"""What brings a service into each state that can be asked for."""
_DOING = {
    "started": "starting",
    "stopped": "stopping",
    "restarted": "restarting",
    "frozen": "freezing",
    "thawed": "thawing",
    "provisioned": "provisioning",
    "unprovisioned": "unprovisioning",
}


def act(
    definitions: Mapping[str, Definition],
    rids: Mapping[str, Sequence[str]],
    host: Host,
    state: str,
    check_mode: bool,
    progress: Optional[Sink] = None,
    step: Callable[[], None] = lambda: None,
) -> Dict[str, Dict[str, Any]]:
    """Bring services into a state; the outcome of each, by path. `progress` gets every line as it comes."""

    def work(path: str) -> Dict[str, Any]:
        definition = definitions[path]
        journal = Journal(path, [progress] if progress else [])
        run = Runner(journal, check_mode, step)
        return act_on_one(Instance(definition, host, run), rids[path], state)

    host.docker_patience = DOCKER_PATIENCE
    if state in ("started", "restarted"):
        _reserve_subnets(definitions, host, check_mode)
    return _for_each(work, list(definitions))


def _reserve_subnets(definitions: Mapping[str, Definition], host: Host, check_mode: bool) -> None:
    """Give new private daemons their subnets in one order, whichever of them starts first. A refusal is reported later."""
    for definition in definitions.values():
        slug = definition.path.slug
        with suppress(NodeError, OSError):
            if definition.private and definition.runs_here and host.subnets.find(slug) is None:
                if not check_mode:
                    files.make_folder(host.directories.state, 0o711)
                declared = definition.values["docker_subnet"]
                host.subnets.reserve(slug, definition.short_id, declared, check_mode)


def inspect(definitions: Mapping[str, Definition], host: Host) -> Dict[str, Dict[str, Any]]:
    """The status of services, by path. Nothing is changed and no lock is taken."""

    def work(path: str) -> Dict[str, Any]:
        instance = Instance(definitions[path], host, Runner(Journal(path)))
        return instance.status(instance.read())

    return _for_each(work, list(definitions))


def act_on_one(instance: Instance, rids: Sequence[str], state: str) -> Dict[str, Any]:
    """Bring resources of one service into a state, under its lock; the outcome."""
    began = time.monotonic()
    run = instance.run
    outcome: Dict[str, Any] = {
        "changed": False,
        "failed": False,
        "msg": "",
        "before": None,
        "status": None,
        "evidence": {},
    }
    if not instance.definition.runs_here:
        problems = instance.problems()
        outcome.update(skipped=not problems, failed=bool(problems))
        outcome["msg"] = "; ".join(["does not run on this node"] + problems)
        outcome["status"] = outcome["before"] = _status(instance, {})
    else:
        try:
            with locked(instance.machine, _DOING[state], instance.definition.values["lock_timeout"]), _LogFile(
                instance
            ):
                _run_locked(instance, rids, state, outcome)
        except (NodeError, OSError) as error:
            run.journal.remark("", str(error), "error")
            outcome.update(failed=True, msg=clean(str(error)))
        except Exception as error:  # a mistake of ours in one service must not hide the outcome of the others
            run.journal.remark("", traceback.format_exc(), "error")
            outcome.update(failed=True, msg="internal error: %r" % error)
    outcome["commands"] = run.journal.commands()
    outcome["log"] = run.journal.remarks()
    outcome["seconds"] = round(time.monotonic() - began, 3)
    return outcome


def _run_locked(instance: Instance, rids: Sequence[str], state: str, outcome: Dict[str, Any]) -> None:
    states = instance.read()
    outcome["before"] = _status(instance, states)
    actions = Actions(instance, rids, states)
    try:
        VERBS[state](actions)
        outcome["msg"] = state
        if instance.definition.values["disable"] and state not in ("frozen", "thawed"):
            outcome["msg"] = "is disabled: left alone"
    except ActionFailed as failure:
        outcome.update(failed=True, msg=clean(str(failure)))
    outcome["changed"] = actions.changed
    outcome["evidence"] = actions.evidence
    touched = (actions.changed or outcome["failed"]) and not instance.run.check_mode
    outcome["status"] = _status(instance, actions.verified or instance.read()) if touched else outcome["before"]


def _status(instance: Instance, states: Dict[str, Status]) -> Dict[str, Any]:
    """The status as it is without the action that is just being done."""
    return {**instance.status(states), "action": ""}


class _LogFile:
    """Writes the journal of an instance to its log file while the block runs. Check mode writes none.

    A log that cannot be written (a full disk, something else in its place) keeps no service from being started or stopped:
    then it has a gap, and the outcome says so.
    """

    def __init__(self, instance: Instance):
        self._path = os.path.join(instance.machine.host.directories.log, instance.machine.slug + ".log")
        self._journal = instance.run.journal
        self._wanted = not instance.run.check_mode
        self._descriptor = -1
        self._failure = ""

    def __enter__(self) -> None:
        if self._wanted:
            with self._tolerant():
                self._descriptor = files.open_log(self._path)
            self._journal.sinks.append(timestamped(self._write))

    def __exit__(self, *_exception: object) -> None:
        if self._wanted:
            self._journal.sinks.pop()
            if self._descriptor >= 0:
                os.close(self._descriptor)
            if self._failure:
                self._journal.remark("", "the log has a gap: %s" % self._failure, "warn")

    def _write(self, line: str) -> None:
        if self._descriptor >= 0:
            with self._tolerant():
                os.write(self._descriptor, (line + "\n").encode())

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failure = "%s: %s" % (self._path, error.strerror)


def _for_each(work: Callable[[str], Dict[str, Any]], paths: List[str]) -> Dict[str, Dict[str, Any]]:
    return dict(zip(paths, side_by_side(work, paths, WORKERS)))
