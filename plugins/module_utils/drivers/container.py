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
import signal
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, List, Optional

from ..definition.docker_arguments import network, run_options
from ..definition.model import Definition, ResourceDefinition
from ..node import docker_store, files, processes
from ..node.errors import CommandFailed, NodeError, Undetermined
from ..node.machine import Machine
from .base import DOWN, UNDEF, UP, WARN, Daemon, DaemonLook, Driver, Remark, Status
from .image import Image

LABEL = "dockyard.svc."
SETTLE = 0.25
"""How long, in seconds, a container must have run before it is taken to be up: most bad commands end at once."""
_START_TIMEOUT = 5.0
_COMMAND_DEADLINE = 60.0
_SECOND = 1000000000


@dataclass
class Found:
    """A container as the daemon, or its data root, tells. `state` is Docker's word; `inspect` is empty when unknown."""

    id: str
    state: str
    inspect: Dict[str, Any]

    @property
    def runs(self) -> bool:
        """Whether the container is operational: running, and neither paused nor in a circle of restarts."""
        state = self.inspect.get("State", {})
        if not state:
            return self.state == "running"
        return bool(state.get("Status") == "running" and not state.get("Restarting") and not state.get("Paused") and not state.get("Dead"))

    @property
    def health(self) -> str:
        """The word of the health check; empty without one."""
        return str((self.inspect.get("State", {}).get("Health") or {}).get("Status", ""))


class Container(Driver):
    """The resource `container#N` of type docker."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self.name = service.path.container_name(definition.index)
        self._run = machine.run
        self._docker = ["docker", "--host", "unix://" + daemon.socket]
        self._labels = {LABEL + "id": service.id, LABEL + "path": str(service.path), LABEL + "rid": self.rid}
        self.network = network(self.values["netns"], run_options(self.values["run_args"]))
        self._image = Image(
            self.values["image"],
            self.values["image_archive"],
            self.values["image_pull_policy"],
            self.values["pull_timeout"],
            self._docker,
            machine,
            self.rid,
        )
        self._made: Optional[str] = None
        self._predicted: Optional[Found] = None
        self._gone = False

    @property
    def grace(self) -> float:
        """How long the container may take to end, in seconds."""
        return float(self.values["stop_timeout"])

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
        if found is None:
            status.state = DOWN
            stranger = self._stranger()
            if stranger:
                status.remarks.append(Remark("error", "the name %s is taken by container %s, which is not the service's" % (self.name, stranger[:12])))
            elif not self.daemon.api().image(self.values["image"]):
                status.remarks.append(Remark("info", "image %s is not there yet" % self.values["image"]))
            else:
                status.remarks.append(Remark("info", "can not find container id"))
            return
        state = found.inspect["State"]
        status.facts = {"id": found.id, "docker_state": state.get("Status"), "pid": state.get("Pid") or None, "health": found.health or None}
        if found.runs:
            status.state = UP
            if found.health not in ("", "healthy"):
                status.state = WARN
                status.remarks.append(Remark("warn", "the health check says %s" % found.health))
            elif state.get("Pid") and not processes.find(state["Pid"]) and not self.daemon.container_pids(found.id):
                status.state = WARN
                status.remarks.append(Remark("warn", "docker says running, but process %d does not exist" % state["Pid"]))
        elif state.get("Status") in ("exited", "created"):
            status.state = DOWN
            if state.get("Status") == "exited" and state.get("ExitCode") not in (0, 143):
                killed = " (killed)" if state["ExitCode"] == 137 else ""
                status.remarks.append(Remark("info", "exited with code %s%s" % (state["ExitCode"], killed)))
        else:
            status.state = WARN
            status.remarks.append(Remark("warn", "docker says %s" % (state.get("Status") or "nothing of its state")))
        status.remarks += self._drift(found)

    def _drift(self, found: Found) -> List[Remark]:
        remarks = []
        policy = (found.inspect.get("HostConfig", {}).get("RestartPolicy") or {}).get("Name", "no")
        if policy not in ("", "no"):
            remarks.append(Remark("warn", "its restart policy is %s: docker may start it before what it needs" % policy))
        image = self.daemon.api().image(self.values["image"])
        if image is None:
            remarks.append(Remark("warn", "the image %s is not there any more" % self.values["image"]))
        elif image["Id"] != found.inspect["Image"]:
            remarks.append(
                Remark("warn", "the current container is based on image %s instead of %s" % (found.inspect["Image"][7:19], image["Id"][7:19]))
            )
        return remarks

    def _status_without_daemon(self, status: Status, look: DaemonLook) -> None:
        """The daemon is dead: what is true of the container stands in its control group."""
        recorded = self._recorded()
        if recorded is None:
            raise Undetermined("%s, and the container's id is not known" % look.reason)
        pids = self.daemon.container_pids(recorded)
        if pids:
            status.state = WARN
            status.facts = {"id": recorded, "pid": pids[0]}
            status.remarks.append(Remark("error", "%s: the container still runs (pid %d)" % (look.reason, pids[0])))
        else:
            status.state = DOWN
            status.remarks.append(Remark("warn", look.reason))

    def _recorded(self) -> Optional[str]:
        value = self.machine.record.get("containers", self.rid)
        return value if isinstance(value, str) else None

    def _find(self) -> Optional[Found]:
        """The service's own container, None when there is none. Raises Undetermined, and NodeError when there are two."""
        if self._predicted or self._gone:
            return self._predicted
        if self._run.check_mode and self.daemon.look().pid is None:
            return self._find_stored()
        api = self.daemon.api()
        ours = [item["Id"] for item in api.containers() if self._is_ours(item.get("Labels") or {})]
        recorded = self._recorded()
        if len(ours) > 1 and recorded not in ours:
            raise NodeError("containers %s all carry the labels of %s: remove those that are not it" % (", ".join(i[:12] for i in ours), self.rid))
        if not ours:
            return None
        chosen = recorded if recorded in ours else ours[0]
        inspect = api.container(chosen)
        return Found(chosen, str(inspect["State"].get("Status")), inspect) if inspect else None

    def _find_stored(self) -> Optional[Found]:
        """What check mode finds in the data root of a daemon that it did not really start."""
        stored = docker_store.containers(self.service.values["docker_data_dir"] or "") or []
        return next((Found(item.id, "exited", {}) for item in stored if self._is_ours(item.labels)), None)

    def _is_ours(self, labels: Dict[str, str]) -> bool:
        return labels.get(LABEL + "id") == self.service.id and labels.get(LABEL + "rid") == self.rid

    def _stranger(self) -> Optional[str]:
        """The id of a container that has our name and not our labels."""
        if self._run.check_mode and self.daemon.look().pid is None:
            stored = docker_store.containers(self.service.values["docker_data_dir"] or "") or []
            return next((item.id for item in stored if item.name == self.name and not self._is_ours(item.labels)), None)
        for item in self.daemon.api().containers():
            if "/" + self.name in (item.get("Names") or []) and not self._is_ours(item.get("Labels") or {}):
                return str(item["Id"])
        return None

    # Starting

    def check_start(self) -> None:
        self._image.check()

    def start(self) -> bool:
        found = self._find()
        if found and found.runs:
            return self._forbid_restarts(found)
        if found:
            self._start_found(found)
        else:
            self._run_new()
        self._wait_until_up()
        return True

    def _start_found(self, found: Found) -> None:
        state = found.inspect.get("State", {}).get("Status", found.state)
        self._forbid_restarts(found)
        if state == "removing" or state == "dead":
            raise NodeError("container %s is %s: see who still uses its files, then remove it with 'docker rm'" % (found.id[:12], state))
        if state == "restarting":
            self._docker_change(["stop", "-t", "%d" % self.grace, found.id], self.grace + _COMMAND_DEADLINE)
        if self.values["rm"] and state != "paused":
            self._docker_change(["rm", found.id])
            self._forget()
            self._run_new()
        elif state == "paused":
            self._made = found.id
            self._docker_change(["unpause", found.id])
        else:
            self._made = found.id
            self._docker_change(["start", found.id])
        self._predict(found.id, "running")

    def _forbid_restarts(self, found: Found) -> bool:
        """Take back a restart policy that somebody gave the container: the order of starts is the service's."""
        policy = (found.inspect.get("HostConfig", {}).get("RestartPolicy") or {}).get("Name", "no")
        if policy in ("", "no"):
            return False
        self._docker_change(["update", "--restart=no", found.id])
        return True

    def _run_new(self) -> None:
        stranger = self._stranger()
        if stranger:
            raise NodeError("the name %s is taken by container %s, which is not the service's: rename or remove it" % (self.name, stranger[:12]))
        recorded = self._recorded()
        if recorded and not self._gone:
            self._run.journal.remark(self.rid, "container %s is gone; a new one is made" % recorded[:12])
        fetched = self._image.ensure(self._has_image(), first_start=True)
        if fetched and not self._run.check_mode:
            self._image.verify(self.daemon.api())
        id_file = os.path.join(self.machine.host.directories.run, "private", "%s.container.%s.cid" % (self.machine.short_id, self.definition.index))
        if not self._run.check_mode:
            files.remove_file(id_file)
        try:
            self._docker_change(self._run_words(id_file), self.values["pull_timeout"], dict(self.values["secrets"]))
        except CommandFailed as error:
            self._made = files.read_text(id_file) or None
            self._remove_failed()
            raise NodeError("container %s cannot be run: %s" % (self.name, error)) from error
        finally:
            if not self._run.check_mode:
                self._made = files.read_text(id_file) or self._made
                files.remove_file(id_file)
        if self._made:
            self.machine.record.put("containers", self.rid, self._made)
        self._new = True
        self._predict("", "running")

    _new = False

    def _has_image(self) -> bool:
        if self._run.check_mode and self.daemon.look().pid is None:
            return bool(docker_store.has_image(self.service.values["docker_data_dir"] or "", self.values["image"]))
        return self.daemon.api().image(self.values["image"]) is not None

    def _run_words(self, id_file: str) -> List[str]:
        """The arguments of `docker run`. Secrets are named here; their values are in the client's environment."""
        values = self.values
        words = ["run", "--detach", "--cidfile", id_file, "--name", self.name]
        words += [word for name, value in self._labels.items() for word in ("--label", "%s=%s" % (name, value))]
        words += self.daemon.run_options()
        if not any(name in ("network", "net") for name, _value in run_options(values["run_args"])):
            words += ["--network", self._network_option()]
        for keyword in ("hostname", "entrypoint", "user"):
            if values[keyword]:
                words += ["--" + keyword, values[keyword]]
        words += ["--" + keyword for keyword in ("privileged", "interactive", "tty") if values[keyword]]
        words += [word for name, value in values["environment"].items() for word in ("--env", "%s=%s" % (name, value))]
        words += [word for name in values["secrets"] for word in ("--env", name)]
        words += [word for volume in values["volume_mounts"] for word in ("--volume", volume)]
        words += [word for device in values["devices"] for word in ("--device", device)]
        return words + list(values["run_args"]) + [values["image"]] + list(values["command"])

    def _network_option(self) -> str:
        if self.network.startswith("container#"):
            return "container:" + self.service.path.container_name(self.network.partition("#")[2])
        return self.network

    def _wait_until_up(self) -> None:
        """Wait until the container runs, is healthy where it has a health check, and still runs after a short settle."""
        if self._run.check_mode:
            return
        began = time.monotonic()
        deadline: Optional[float] = None
        while True:
            found = self._find()
            seen = found.state if found else "no container"
            if found is None or found.state in ("exited", "dead", "removing"):
                self._fail("ended at once with exit code %s" % found.inspect["State"].get("ExitCode") if found else "is gone")
            assert found is not None
            if deadline is None:
                deadline = self._start_timeout(found)
            passed = time.monotonic() - began
            if found.health == "unhealthy":
                self._fail("runs, but its health check says unhealthy")
            if found.runs and found.health in ("", "healthy") and passed >= SETTLE:
                return
            if passed > max(deadline, SETTLE + 0.1):
                self._fail("is not up after %g s: docker says %s%s" % (deadline, seen, ", health %s" % found.health if found.health else ""))
            time.sleep(min(0.05 if passed < 1 else 0.25, max(0.01, SETTLE - passed) if passed < SETTLE else 1))

    def _start_timeout(self, found: Found) -> float:
        """The keyword, or what the health check needs until it gives up. Defaults as in docker-run(1)."""
        if self.values["start_timeout"] is not None:
            return float(self.values["start_timeout"])
        check = found.inspect.get("Config", {}).get("Healthcheck") or {}
        if not found.health:
            return _START_TIMEOUT
        interval = (check.get("Interval") or 30 * _SECOND) / _SECOND
        timeout = (check.get("Timeout") or 30 * _SECOND) / _SECOND
        retries = check.get("Retries") or 3
        return float((check.get("StartPeriod") or 0) / _SECOND + retries * (interval + timeout) + interval)

    def _fail(self, what: str) -> None:
        """Raise NodeError with the last lines of the container. What this run made is removed, what was there stays."""
        said = ""
        if self._made:
            try:
                said = self.daemon.api().logs(self._made).strip()
            except Undetermined:
                said = ""
        self._remove_failed()
        raise NodeError("container %s %s%s" % (self.name, what, "; its last lines: %s" % " | ".join(said.splitlines()[-5:]) if said else "; it wrote nothing"))

    def _remove_failed(self) -> None:
        """Take back a start that failed: a container that this run made is removed, one that was there is stopped."""
        if not self._made or self._run.check_mode:
            return
        inspect = self.daemon.api().container(self._made)
        if not inspect or not self._is_ours(inspect.get("Config", {}).get("Labels") or {}):
            return
        running = inspect.get("State", {}).get("Running")
        if self._new or inspect.get("State", {}).get("Status") == "created":
            self._docker_change((["rm", "--force", "--volumes"] if running else ["rm", "--volumes"]) + [self._made])
            self._forget()
        elif running:
            self._docker_change(["stop", "-t", "%d" % self.grace, self._made], self.grace + _COMMAND_DEADLINE)
        self._made = None

    def undo_start(self) -> None:
        self._remove_failed()

    # Stopping

    def stop(self) -> bool:
        look = self.daemon.look()
        if look.state == UNDEF:
            raise Undetermined("%s: whether the container runs cannot be told" % look.reason)
        if look.state == WARN:
            return self._stop_without_daemon()
        if look.state == DOWN:
            return False
        found = self._find()
        if found is None:
            return False
        changed = False
        state = found.inspect.get("State", {}).get("Status", found.state)
        if state == "paused":
            self._docker_change(["unpause", found.id])
        if state not in ("exited", "created", "dead"):
            self._docker_change(["stop", "-t", "%d" % self.grace, found.id], self.grace + _COMMAND_DEADLINE)
            self._verify_stopped(found)
            changed = True
        if self.values["rm"]:
            self._docker_change(["rm", found.id])
            self._forget()
            changed = True
        self._predict(found.id, "exited")
        return changed

    def _verify_stopped(self, found: Found) -> None:
        if self._run.check_mode:
            return
        now = self.daemon.api().container(found.id)
        state = now["State"] if now else {}
        if state.get("Running"):
            raise NodeError("container %s still runs after docker stop: docker says %s" % (self.name, state.get("Status")))
        if not processes.wait_until(lambda: not self.daemon.container_pids(found.id), 5):
            raise NodeError("container %s is stopped for docker, but its processes %s live on" % (self.name, self.daemon.container_pids(found.id)))
        if state.get("ExitCode") == 137:
            self._run.journal.remark(self.rid, "container %s did not end within %g s and was killed (exit code 137)" % (self.name, self.grace), "warn")

    def _stop_without_daemon(self) -> bool:
        """The daemon is dead: end the container by its control group, its first process asked before the rest is killed."""
        recorded = self._recorded()
        if recorded is None:
            raise Undetermined("the docker daemon is dead and the container's id is not known")
        pids = self.daemon.container_pids(recorded)
        if not pids:
            return False
        self._signal(recorded, signal.SIGTERM, [pid for pid in pids if processes.is_init(pid)] or pids[:1])
        if self._run.check_mode:
            return True
        if not processes.wait_until(lambda: not self.daemon.container_pids(recorded), self.grace):
            self._signal(recorded, signal.SIGKILL, self.daemon.container_pids(recorded))
            if not processes.wait_until(lambda: not self.daemon.container_pids(recorded), 10):
                raise NodeError("processes of container %s cannot be killed: %s" % (self.name, self.daemon.container_pids(recorded)))
        return True

    def _signal(self, container_id: str, number: int, pids: List[int]) -> None:
        """Signal processes that are in the container's control group at this moment."""
        for process in filter(None, map(processes.find, pids)):
            name = signal.Signals(number).name[3:]
            if process.pid in self.daemon.container_pids(container_id):
                self._run.do(["kill", "-" + name, str(process.pid)], partial(processes.send, process, number), self.rid)

    def evidence(self) -> Dict[str, str]:
        recorded = self._recorded()
        if recorded is None:
            return {"container": "there is none"}
        pids = self.daemon.container_pids(recorded)
        if pids:
            raise NodeError("container %s still has processes: %s" % (self.name, pids))
        return {"container": "the control group of %s holds no process" % recorded[:12]}

    def _docker_change(self, words: List[str], deadline: float = _COMMAND_DEADLINE, environment: Optional[Dict[str, str]] = None) -> None:
        self._run.change(self._docker + words, deadline, self.rid, {"DOCKER_CONFIG": self.machine.docker_config, **(environment or {})})

    def _forget(self) -> None:
        """The container is removed."""
        self.machine.record.put("containers", self.rid, None)
        self._predicted = None
        self._gone = self._run.check_mode

    def _predict(self, container_id: str, state: str) -> None:
        """In check mode, take for granted what the command would have done."""
        if self._run.check_mode and not self._gone:
            self._predicted = Found(container_id, state, {})
