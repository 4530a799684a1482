# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The private Docker daemon of a service: how it is started, with nothing shared, and how it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial
from typing import Dict, List, Optional

from ..definition.model import Definition
from ..node import files, processes, systemd
from ..node.bridges import Bridge
from ..node.cgroups import ControlGroup
from ..node.commands import execute, require_programs, start_detached
from ..node.daemon_log import DaemonLog
from ..node.docker_api import DockerApi, import_sdk, require_sdk
from ..node.errors import CommandFailed, NodeError, Undetermined
from ..node.machine import Machine
from ..node.processes import Process
from .base import DOWN, UNDEF, UP, Daemon, DaemonLook
from .dockerd_ending import DockerdEnding
from .dockerd_watch import DockerdWatch
from .leftovers import Leftovers

_CONTAINERD_LATE = "timeout waiting for containerd to start"


class _ContainerdLate(NodeError):
    """The daemon has ended, because its containerd did not start in the time that it is given."""


class Dockerd(Daemon):
    """The daemon of one service.

    `grace` is the longest time in seconds that a container of the service may take to end, `needs_bridge` whether one of
    them has a network.
    """

    private = True

    def __init__(self, service: Definition, machine: Machine, grace: float = 10.0, needs_bridge: bool = False):
        super().__init__()
        self.service = service
        self.machine = machine
        self.data_root: str = service.values["docker_data_dir"]
        self.socket = machine.socket
        self._run = machine.run
        self._grace = grace
        self._patience = grace + service.values["docker_stop_timeout"]  # seconds that a stop waits for the daemon
        self._needs_bridge = needs_bridge
        self._bridge = Bridge(machine.short_id, machine.run)
        self._pid_file = os.path.join(machine.private_folder, "docker.pid")
        self._config_file = os.path.join(machine.private_folder, "daemon.json")
        self._leftovers = Leftovers(machine, self.data_root, grace, (self._pid_file, self.socket))
        self._predicted: Optional[DaemonLook] = None
        self._watch = DockerdWatch(service, machine, self._leftovers, self._pid_file)
        self._log = DaemonLog(machine.daemon_log)
        self._ending = DockerdEnding(machine, self._watch, self._leftovers, self._log, self._pid_file, self._patience)

    # Reading

    def look(self, max_age: float = 0.0) -> DaemonLook:
        return self._predicted or self._watch.look(max_age)

    def api(self) -> DockerApi:
        return self._watch.api()

    def problems(self) -> List[str]:
        """What is wrong with a daemon that is up."""
        return self._watch.problems() + [problem for problem in [self._network_problem()] if problem]

    def _network_problem(self) -> str:
        try:
            return self._bridge.problem() if self._needs_bridge else ""
        except Undetermined as error:
            return "the network of the service cannot be checked: %s" % error

    def container_group(self, container_id: str) -> ControlGroup:
        name = "docker-%s.scope" % container_id if self.machine.host.systemd else container_id
        return self.machine.cgroup.below(name)

    def run_options(self) -> List[str]:
        return []

    # Starting

    def check_start(self) -> None:
        """Refuse a start that cannot work, before anything is changed. Raises NodeError."""
        require_programs("dockerd", "docker")
        require_sdk()
        problem = self.machine.path_problem()
        if problem:
            raise NodeError(problem)
        files.group_id(self.service.values["docker_socket_group"])
        files.check_root_owned(self.data_root)
        self._refuse_rival()

    def _refuse_rival(self, max_age: float = 0.0) -> None:
        """Raise NodeError when another daemon works in the data root: what is mounted and runs there is not the service's."""
        other = self._watch.rival(max_age)
        if other:
            raise NodeError(
                "the data root %s is in use by another docker daemon, %s: stop it with the definition that started it "
                "(another service's, or this one's under a former name or id)" % (self.data_root, other)
            )

    def start(self) -> bool:
        """Bring the daemon up; whether it was not. What a daemon that died has left behind is cleared away before."""
        found = self.look()
        if found.state == UP:
            mended = self._mend_access()
            return self._mend_rules() or mended
        if found.state == UNDEF and self.machine.path_problem():
            raise NodeError(found.reason)
        if found.state == UNDEF:
            raise NodeError("%s; stop the service, then start it again" % found.reason)
        self.check_start()
        if not self._predicted:
            self._leftovers.clear()
        had_bridge = self._bridge.exists()
        try:
            self._prepare()
            self._watch.forget()
            self._run.do(self._argv(), self._launch)
        except (NodeError, OSError) as error:
            if self._needs_bridge and not had_bridge:
                self._take_network_back(error)
            raise
        if self._run.check_mode:
            self._predicted = DaemonLook(UP)
        return True

    def _mend_access(self) -> bool:
        """Let the group, and nobody else, at the socket again, whatever somebody has changed; whether there was anything."""
        problems = {} if self._predicted else self._watch.access_problems()
        if not problems:
            return False
        self._open_folder()
        if self.socket in problems:
            group = self.service.values["docker_socket_group"]
            argv = ["sh", "-c", "chown root:%s %s && chmod 0660 %s" % (group, self.socket, self.socket)]
            self._run.do(argv, partial(files.give, self.socket, 0o660, files.group_id(group)))
        return True

    def _open_folder(self) -> None:
        self.machine.prepare()
        self.machine.folder(self.machine.socket_folder, 0o750, self.service.values["docker_socket_group"])

    def _mend_rules(self) -> bool:
        """Bring the rules of the service back, which a reload of the node's firewall takes away; whether they were gone."""
        if not self._needs_bridge or self._predicted or not self._bridge.exists() or not self._bridge.problem():
            return False
        if not self._bridge.subnet():
            self._reserve_subnet()
        self._bridge.start(self._bridge.subnet() or self._subnet)
        return True

    def _take_network_back(self, failure: Exception) -> None:
        """Take away the network that a start made for a daemon that did not come up."""
        try:
            self._bridge.stop()
        except NodeError as error:
            raise NodeError("%s; its network stays: %s" % (failure, error)) from failure

    def _prepare(self) -> None:
        machine = self.machine
        self._open_folder()
        if not self._has_data_root():
            machine.folder(self.data_root, 0o710)
        machine.record.put("daemon", "data_root", self.data_root)
        if not os.path.exists(self._config_file):
            self._run.do(
                ["sh", "-c", "echo {} > %s" % self._config_file], partial(files.write_whole, self._config_file, "{}\n")
            )
        self._reserve_subnet()
        if self._needs_bridge:
            self._bridge.start(self._subnet)

    def _has_data_root(self) -> bool:
        """Whether the folder is there, or would be on a file system that check mode has only imagined to mount."""
        outlook = self.machine.outlook
        if self._run.check_mode and outlook.expects_below(self.data_root):
            return outlook.expects(self.data_root) or self.machine.record.get("daemon", "data_root") == self.data_root
        return os.path.isdir(self.data_root)

    def _reserve_subnet(self) -> None:
        machine, declared = self.machine, self.service.values["docker_subnet"]
        self._subnet = machine.subnets.reserve(machine.slug, machine.short_id, declared, self._run.check_mode)

    def _argv(self) -> List[str]:
        """The daemon's command line: everything of its own, and nothing of docker0 or the shared chains."""
        machine, values = self.machine, self.service.values
        with_systemd = machine.host.systemd
        network = (
            ["--bridge=" + self._bridge.name, "--fixed-cidr=%s" % self._subnet.bridge]
            if self._needs_bridge
            else ["--bridge=none"]
        )
        argv = [
            "dockerd",
            "--config-file", self._config_file,
            "--host", "unix://" + self.socket,
            "--group", values["docker_socket_group"],
            "--data-root", self.data_root,
            "--exec-root", machine.exec_root,
            "--pidfile", self._pid_file,
            "--exec-opt", "native.cgroupdriver=%s" % ("systemd" if with_systemd else "cgroupfs"),
            "--cgroup-parent", machine.slice if with_systemd else machine.cgroup.path,
            *network,
            "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
            "--default-address-pool", self._subnet.pool,
            "--shutdown-timeout=%d" % (self._grace + 5),
        ]  # fmt: skip
        given = list(values["docker_daemon_args"])
        if not any(word.startswith(("--log-opt", "--log-driver")) for word in given):
            argv += ["--log-opt", "max-size=10m", "--log-opt", "max-file=3"]
        argv += given
        if with_systemd:
            return systemd.transient_unit(
                self._unit, machine.slice, machine.daemon_log, self.data_root, self._patience, argv
            )
        return argv

    @property
    def _unit(self) -> str:
        return "dockyard-%s.service" % self.machine.short_id

    def _launch(self) -> None:
        """Start the daemon, once more when only its containerd was late. Raises NodeError with dockerd's own last lines.

        dockerd gives its containerd fifteen seconds, and ends. A node that stood still for a while (its machine was moved,
        or everything starts at once) needs no more than another try.
        """
        try:
            self._launch_once()
        except _ContainerdLate as late:
            self._run.journal.remark("", "%s; it is started once more" % late, "warn")
            self._launch_once()

    def _launch_once(self) -> None:
        """Start the process and wait until it answers. Raises NodeError when it does not."""
        deadline = self.service.values["docker_start_timeout"]
        end = time.monotonic() + deadline
        log = self._log.open()
        child: Optional[subprocess.Popen[bytes]] = None
        try:
            if self.machine.host.systemd:
                process = self._launch_unit(deadline)
            else:
                group = self.machine.cgroup.below("daemon")
                group.create()
                child = start_detached(self._argv(), log)
                group.attach(child.pid)
                process = processes.find(child.pid)
        finally:
            os.close(log)
        try:
            import_sdk()  # takes as long as dockerd does, so it is done meanwhile
        except NodeError:
            self._give_up(child)
            raise
        while process and process.runs() and time.monotonic() < end:
            if os.path.exists(self.socket) and self._watch.answers():
                return
            time.sleep(0.01)
        ended = not (process and process.runs())
        said = self._log.last_words()
        self._give_up(child)
        what = "ended at once" if ended else "did not answer within %g s" % deadline
        reasons = "; ".join([said or "it wrote nothing", *self._watch.data_root_problems()])
        failure = _ContainerdLate if ended and _CONTAINERD_LATE in said else NodeError
        raise failure("the docker daemon of the service %s: %s (log: %s)" % (what, reasons, self.machine.daemon_log))

    def _launch_unit(self, deadline: float) -> Optional[Process]:
        """Start the process as a unit of systemd and wait until it is executed; None when it has ended since."""
        argv = self._argv()
        try:
            result = execute(argv, deadline)
            if result.rc:
                raise CommandFailed(argv[:1], result.rc, result.stdout, result.stderr)
        except CommandFailed:
            self._give_up(None)
            raise
        return self._watch.process()

    def _give_up(self, child: Optional[subprocess.Popen[bytes]]) -> None:
        """End a daemon that this run started and that did not come up."""
        self._ending.give_up()
        if child is not None:
            child.wait()
        self._leftovers.clear()

    # Stopping

    def wake(self) -> DaemonLook:
        """Let a daemon and its helpers go on, where they were frozen or stopped by a signal, and look again.

        A stop wants to talk to them first.
        """
        for group in self._leftovers.frozen_groups():
            group.thaw(self._run, inside=False)
        for process in self._leftovers.helpers():
            if processes.is_halted(process.pid):
                self._run.do(["kill", "-CONT", str(process.pid)], partial(processes.send, process, signal.SIGCONT))
                self.machine.outlook.woken.add(process.pid)
        found = self.look()
        if found.state != UNDEF or found.pid is None or not processes.is_halted(found.pid):
            return found
        self._ending.signal(signal.SIGCONT)
        return self.look()

    def running_containers(self, by_list: bool = False) -> Dict[str, str]:
        """The containers that run in the daemon, whoever started them: names by id. Raises Undetermined.

        The list alone is not enough: with a disk that is full or read-only it goes on showing what has ended. `by_list`
        is for when containers cannot be asked one by one.
        """
        ended = ("exited", "created", "dead")
        api = self.api()
        listed = {
            item["Id"]: item["Names"][0].lstrip("/") for item in api.containers() if item.get("State") not in ended
        }
        return {
            container_id: name
            for container_id, name in listed.items()
            if by_list or ((api.container(container_id) or {}).get("State") or {}).get("Status", "dead") not in ended
        }

    def stop(self) -> bool:
        """End the daemon and everything it left; whether there was something. Raises NodeError when a part stays."""
        if self._predicted and self._predicted.state == DOWN:
            return False
        process = self._watch.process()
        self._refuse_rival(1.0)
        self._watch.forget()
        changed = process is not None
        if process:
            self._ending.end(process)
        self._watch.forget()
        if self._run.check_mode:
            self._predicted = DaemonLook(DOWN, "docker daemon is not running")
        if self._run.check_mode and process:
            self._leftovers.clear_after_imagined_end()
        else:
            changed = self._leftovers.clear() or changed
        if self._has_network():
            self._bridge.stop()
            changed = True
        return changed

    def _has_network(self) -> bool:
        """Whether bridge or rules are there. Rules are only looked for where the service has a use for them."""
        return self._bridge.exists() or (self._needs_bridge and self._bridge.has_table())

    def evidence(self) -> Dict[str, str]:
        """What proves that the daemon has released everything. Raises NodeError when it has not."""
        owner = processes.socket_owner(self.socket)
        problems = []
        if self._watch.process():
            problems.append("its process runs")
        if owner:
            problems.append("its socket is held by %s" % (processes.find(owner) or "pid %d" % owner))
        survivors = self._leftovers.survivors()
        if survivors:
            problems.append("processes live: %s" % processes.describe(survivors))
        busy = [mount.point for mount in self._leftovers.mounts()]
        if busy:
            problems.append("mounts stay: %s" % ", ".join(busy[:5]))
        if self._has_network():
            problems.append("bridge %s or its rules stay" % self._bridge.name)
        if problems:
            raise NodeError("the docker daemon is not released: %s" % "; ".join(problems))
        return {
            "daemon": "no process has the service's data root, and nobody listens on %s" % self.socket,
            "processes": "control group %s is empty and no shim is left" % self.machine.cgroup.path,
            "mounts": "nothing is mounted below %s, nor by the daemon below %s"
            % (self.machine.exec_root, self.data_root),
            "network": "bridge and rules are gone",
        }
