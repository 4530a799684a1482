# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A Docker container of a service.

It is known by its labels (the service's id and the resource's rid) and by the id that was recorded when it was made. A
container that only has the right name is a stranger: it is reported, and never touched.
"""

from __future__ import annotations

import os
import time
from typing import Callable, Dict, List, NoReturn, Optional, Set, Tuple

from ..definition.docker_arguments import bind_sources
from ..definition.model import Definition, ResourceDefinition
from ..node import files, processes
from ..node.cgroups import ControlGroup
from ..node.errors import CommandFailed, NodeError, Unanswered, Undetermined
from ..node.machine import Machine
from .base import DOWN, UNDEF, UP, WARN, Daemon, DaemonLook, Driver, Remark, Status
from .container_lookup import Found, Lookup
from .container_network import SharedNetwork
from .container_orphan import Orphan, halted_helper
from .container_status import doubt_of, read_found
from .container_wait import wait_until_up
from .docker_run import run_words
from .image import Image
from .published_ports import refused_choice, unheard_port

SETTLE = 0.25
"""How long, in seconds, a container must have run before it is taken to be up: most bad commands end at once."""
_CIRCLE_SETTLE = 2.0
"""The same for one that docker has restarted by a policy which is taken back: it has ended before, and may do so again."""
_COMMAND_DEADLINE = 60.0
_PORT_ATTEMPTS = 50
"""How often docker may look for free ports. Each time it tries ten."""


class Container(Driver):
    """The resource `container#N` of type docker."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self.name = service.path.container_name(definition.index)
        self._run = machine.run
        self._docker = ["docker", "--host", "unix://" + daemon.socket]
        identity = (service.id, self.rid, self.name)
        self._lookup = Lookup(machine, daemon, service.values["docker_data_dir"] or "", identity, self._is_imagined)
        self._image = Image(self.values, self._docker, machine, self.rid)
        self._network = self._shared_network()
        self._made: Optional[str] = None
        self._is_new = False
        self._began: Optional[float] = None
        self._predicted: Optional[Found] = None
        self._gone = False

    def _shared_network(self) -> Optional[SharedNetwork]:
        """The network of another container, where the section wants that."""
        for rid in self.leans_on():
            other = next(resource for resource in self.service.resources if resource.rid == rid)
            identity = (self.service.id, rid, self.service.path.container_name(other.index))
            data_root = self.service.values["docker_data_dir"] or ""
            partner = Lookup(self.machine, self.daemon, data_root, identity, self._is_imagined)
            return SharedNetwork(self._lookup, partner, rid, self.values["rm"], other.values["rm"])
        return None

    def label(self) -> str:
        return "docker container %s@%s" % (self.name, self.values["image"])

    # Reading

    def status(self) -> Status:
        look = self.daemon.look(1.0)
        status = Status(UNDEF, self.label())
        if look.state == UP:
            self._status_from_daemon(status)
        elif look.state == DOWN:
            status.state = DOWN
            status.remarks.append(Remark("info", look.reason))
        elif look.state == WARN:
            self._status_without_daemon(status, look)
        else:
            raise Undetermined(look.reason)
        return status

    def _status_from_daemon(self, status: Status) -> None:
        found = self._find()
        if found and not found.inspect:  # check mode has only imagined what it is now
            status.state = UP if found.runs else DOWN
            return
        if found:
            read_found(status, found, self._image.name, self.daemon, self._network_problem(found))
            halted = halted_helper(self.machine, found.id)
            if halted:
                status.remarks.append(Remark("warn", halted))
            return
        status.state = DOWN
        stranger = self._lookup.stranger()
        if stranger:
            status.remarks.append(Remark("error", self._taken(stranger)))
        elif not self._lookup.has_image(self._image.name):
            status.remarks.append(Remark("info", "image %s is not there yet" % self._image.name))
        else:
            status.remarks.append(Remark("info", "can not find container id"))

    def _status_without_daemon(self, status: Status, look: DaemonLook) -> None:
        """The daemon is dead: what is true of the container stands in its control group."""
        known = self._lookup.known_id()
        pids = self.daemon.container_pids(known) if known else []
        if pids:
            status.state = WARN
            status.facts = {"id": known, "pid": pids[0]}
            text = "%s: the container still runs (pid %d)" % (look.reason, pids[0])
            if self.daemon.container_group(str(known)).is_frozen():
                text += ", and is frozen"
            status.remarks.append(Remark("error", text))
        else:
            status.state = DOWN
            status.remarks.append(Remark("warn", look.reason))

    def _find(self) -> Optional[Found]:
        """The service's own container, as it is or as check mode imagines it."""
        return self._predicted if self._predicted or self._gone else self._lookup.find()

    def _is_imagined(self) -> bool:
        """Whether check mode has only imagined to start the daemon, so that it cannot be asked."""
        return self._run.check_mode and self.daemon.look().pid is None

    def _taken(self, stranger: str) -> str:
        return "the name %s is taken by container %s, which is not the service's" % (self.name, stranger[:12])

    # Starting

    def needs(self) -> Tuple[str, ...]:
        own = (self.service.values["docker_data_dir"] if self.daemon.private else None, self.values["image_archive"])
        return (*filter(None, own), *bind_sources(self.values))

    def leans_on(self) -> Tuple[str, ...]:
        netns = str(self.values["netns"] or "")
        return (netns,) if netns.startswith("container#") else ()

    def check_start(self) -> None:
        self._image.check()
        if self._network:
            self._network.refuse_lost(self.daemon.socket, self.daemon.look(1.0).state == UP)

    def check_restart(self) -> None:
        self.check_start()

    def start(self) -> bool:
        found = self._with_network(self._find())
        thawed = bool(found and found.runs and self._group(found).thaw(self._run, self.rid))
        tamed, circles = bool(found and found.restart_policy), bool(found and found.restarts)
        if found and tamed:
            self._forbid_restarts(found)
            found = self._find()
        if found and not self._run.check_mode:
            self.machine.record.put("containers", self.rid, found.id)  # it may have been lost
        if found and found.runs:
            self._wait_until_up(0 if tamed else SETTLE, _CIRCLE_SETTLE if circles else None)
            return tamed or thawed
        if found is None:
            self._run_new()
        else:
            self._start_found(found)
        self._began = time.monotonic()
        if not self._run.check_mode:
            found = self._find()
            if found is None or not found.runs or found.health:  # else `settle` has another look
                self._wait_until_up(0)
        return True

    def settle(self) -> None:
        """See that what `start` has started still runs after a moment. The next container starts meanwhile."""
        if self._began is not None:
            self._wait_until_up(time.monotonic() - self._began)

    def _with_network(self, found: Optional[Found]) -> Optional[Found]:
        """The container, stopped when it runs in a network that is no more: a start gives it the present one."""
        problem = self._network.problem(found) if found and self._network else ""
        if not problem or not found or not self._network:
            return found
        if not self._run.check_mode:
            self._network.refuse_lost(self.daemon.socket, True)
        if not found.pid:
            return found
        self._run.journal.remark(self.rid, "%s: it is started again" % problem, "warn")
        self._stop_found(found)
        self._imagine(Found(found.id, "exited", {}))
        return self._find()

    def _network_problem(self, found: Found) -> str:
        if self._network:
            return self._network.problem(found)
        return unheard_port(found) if found.pid and self.daemon.private else ""

    def _forbid_restarts(self, found: Found) -> None:
        """Take back a restart policy that somebody gave the container: the order of starts is the service's."""
        words = ["update", "--restart=no", found.id]
        if found.state != "restarting":
            try:
                self._docker_change(words)
                return
            except CommandFailed:
                self._run.journal.remark(self.rid, "it seems to be between two restarts: it is stopped first", "warn")
        self._docker_change(["stop", "-t", "%d" % self.grace, found.id], self.grace + _COMMAND_DEADLINE)
        self._docker_change(words)

    def _start_found(self, found: Found) -> None:
        if found.state in ("removing", "dead"):
            raise NodeError(
                "container %s is %s: see who still uses its files, then remove it with 'docker rm'"
                % (found.id[:12], found.state)
            )
        if self.values["rm"] and found.state != "paused":
            self._remove(found.id)
            self._run_new()
            return
        self._made = found.id
        if found.state == "paused":
            self._docker_change(["unpause", found.id])
        else:
            self._launch(["start", found.id], str((found.inspect.get("HostConfig") or {}).get("PortBindings")))
        self._imagine(Found(found.id, "running", {}))

    def _run_new(self) -> None:
        """Make and start the container. Its id is known from its making on, so that a failure leaves nothing behind."""
        stranger = self._lookup.stranger()
        if stranger:
            raise NodeError("%s: rename or remove it" % self._taken(stranger))
        recorded = self._lookup.recorded()
        if recorded and not self._gone:
            self._run.journal.remark(self.rid, "container %s is gone; a new one is made" % recorded[:12])
        if self._image.ensure(self._lookup.has_image(self._image.name)):
            if self._run.check_mode:
                self.daemon.imagined_images.add(self._image.name)
            else:
                self._image.verify(self.daemon.api())
        self._is_new = True
        id_file = os.path.join(self.machine.private_folder, "%s.cid" % self.definition.index)
        words = run_words(self.definition, self.service, id_file, self.daemon.run_options(), self.daemon.socket)

        def take_back() -> None:
            self._made = files.read_text(id_file) or None
            self._take_back()
            files.remove_file(id_file)

        if not self._run.check_mode:
            files.remove_file(id_file)
        try:
            self._launch(words, " ".join(words), take_back, self.values["pull_timeout"], self.values["secrets"])
        except CommandFailed as error:
            raise NodeError("container %s cannot be run: %s" % (self.name, error)) from error
        if not self._run.check_mode:
            self._made = files.read_text(id_file)
            self.machine.record.put("containers", self.rid, self._made)
            files.remove_file(id_file)
        self._gone = False
        self._imagine(Found("", "running", {}))

    def _launch(
        self,
        words: List[str],
        asked: str,
        take_back: Callable[[], object] = lambda: None,
        deadline: float = _COMMAND_DEADLINE,
        environment: Optional[Dict[str, str]] = None,
    ) -> None:
        """Let docker start the container, again as long as it comes further in its search for free ports.

        `asked` names the ports that were asked for; `take_back` removes what a failed attempt has made.
        """
        refused: Set[int] = set()
        while True:
            try:
                self._docker_change(words, deadline, environment)
                return
            except CommandFailed as error:
                take_back()
                port = refused_choice(error.stderr, asked)
                if port is None or port in refused or len(refused) == _PORT_ATTEMPTS:
                    raise
                refused.add(port)
                self._run.journal.remark(self.rid, "docker chose port %d, which is taken: it looks further" % port)

    def _wait_until_up(self, passed: float, settle: Optional[float] = None) -> None:
        """Wait until the container is up, and still runs after `settle` seconds, of which `passed` are over.

        Raises NodeError with its last lines.
        """
        if self._run.check_mode:
            return
        timeout = self.values["start_timeout"]
        settle = SETTLE if settle is None else settle
        reason = wait_until_up(self._find, self._doubt, timeout, passed, settle)
        if reason:
            self._fail(reason)

    def _doubt(self, found: Found) -> str:
        return doubt_of(found, self.daemon) or self._network_problem(found)

    def _fail(self, what: str) -> NoReturn:
        """Raise NodeError with the last lines of the container, after taking back what this run made."""
        said = ""
        try:
            found = self._find()
            said = self.daemon.api().logs(found.id).strip() if found else ""
        except Undetermined as error:
            said = str(error)
        self._take_back()
        wrote = "its last lines: %s" % " | ".join(said.splitlines()[-5:]) if said else "it wrote nothing"
        raise NodeError("container %s %s; %s" % (self.name, what, wrote))

    def _take_back(self) -> bool:
        """Take back the start of this run: a container that it made is removed, one that was there is stopped.

        Whether there was anything to take back.
        """
        if not self._made or self._run.check_mode:
            return False
        inspect = self.daemon.api().container(self._made)
        if inspect and self._lookup.is_ours(inspect.get("Config", {}).get("Labels") or {}):
            running = inspect["State"].get("Running")
            if self._is_new:
                self._remove(self._made, ["--force", "--volumes"] if running else ["--volumes"])
            elif running:
                self._docker_change(["stop", "-t", "%d" % self.grace, self._made], self.grace + _COMMAND_DEADLINE)
        self._made = None
        return True

    def undo_start(self) -> bool:
        return self._take_back()

    # Stopping

    @property
    def grace(self) -> float:
        """How long the container may take to end, in seconds."""
        return float(self.values["stop_timeout"])

    def stop(self) -> bool:
        look = self.daemon.look()
        if look.state == UNDEF:
            raise Undetermined("%s: whether the container runs cannot be told" % look.reason)
        if look.state == WARN:
            known = self._lookup.known_id()
            return bool(known and Orphan(self.machine, self.daemon, self.rid, known).end(self.grace))
        self._refuse_halted()
        found = self._find() if look.state == UP else None
        if found is None:
            return False
        changed = self._stop_found(found)
        if self.values["rm"]:
            self._remove(found.id)
            return True
        self._imagine(Found(found.id, "exited", {}))
        return changed

    def _stop_found(self, found: Found) -> bool:
        if found.state in ("exited", "created", "dead"):
            return False
        if found.state == "paused":
            self._docker_change(["unpause", found.id])
        else:
            self._group(found).thaw(self._run, self.rid)
        self._docker_change(["stop", "-t", "%d" % self.grace, found.id], self.grace + _COMMAND_DEADLINE)
        if not self._run.check_mode:
            self._verify_stopped(found)
        return True

    def _verify_stopped(self, found: Found) -> None:
        now = self.daemon.api().container(found.id)
        state = now["State"] if now else {}
        if state.get("Running"):
            raise NodeError(
                "container %s still runs after docker stop: docker says %s" % (self.name, state.get("Status"))
            )
        if not processes.wait_until(lambda: not self.daemon.container_pids(found.id), processes.KILL_DEADLINE):
            alive = processes.describe(self.daemon.container_pids(found.id))
            raise NodeError("container %s is stopped for docker, but processes of it live on: %s" % (self.name, alive))
        if state.get("ExitCode") == 137:
            text = "container %s did not end within %g s and was killed (exit code 137)" % (self.name, self.grace)
            self._run.journal.remark(self.rid, text, "warn")

    def _refuse_halted(self) -> None:
        """Raise Unanswered when docker could not stop the container, because what it does so with was stopped by a signal."""
        known = self._lookup.recorded()
        halted = halted_helper(self.machine, known) if known else ""
        if halted:
            way_out = ", or stop the whole service" if self.daemon.private else ""
            raise Unanswered("%s; let it go on with 'kill -CONT'%s" % (halted, way_out))

    def _group(self, found: Found) -> ControlGroup:
        return self.daemon.container_group(found.id)

    def ids(self) -> Set[str]:
        """The ids of the containers that are the resource's by the machine's word: none, or one."""
        try:
            found = self._lookup.find()
            return {found.id} if found else set()
        except Undetermined:
            return set(filter(None, [self._lookup.recorded()]))

    def evidence(self) -> Dict[str, str]:
        recorded = self._lookup.recorded()
        if recorded is None:
            return {"container": "there is none"}
        pids = self.daemon.container_pids(recorded)
        if pids:
            raise NodeError("container %s still has processes: %s" % (self.name, processes.describe(pids)))
        return {"container": "the control group of %s holds no process" % recorded[:12]}

    def _remove(self, container_id: str, options: Optional[List[str]] = None) -> None:
        self._docker_change(["rm", *(options or []), container_id])
        self.machine.record.put("containers", self.rid, None)
        self._predicted = None
        self._gone = self._run.check_mode

    def _docker_change(
        self, words: List[str], deadline: float = _COMMAND_DEADLINE, environment: Optional[Dict[str, str]] = None
    ) -> None:
        own = {"DOCKER_CONFIG": self.machine.docker_config}
        self._run.change(self._docker + words, deadline, self.rid, {**own, **(environment or {})})

    def _imagine(self, found: Found) -> None:
        """In check mode, take for granted what the command would have done."""
        if self._run.check_mode:
            self._predicted = found
