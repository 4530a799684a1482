# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The private Docker daemon of a service.

Its identity is its process: it listens on the service's socket (by the credentials that the kernel keeps) and carries the
service's data root, exec root and pid file in its arguments. A pid file alone proves nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial
from typing import Dict, List, Optional, Tuple

from ..definition.model import Definition
from ..node import files, mounts, processes, systemd
from ..node.bridges import Bridge
from ..node.commands import execute, require_programs, start_detached
from ..node.daemon_log import DaemonLog
from ..node.docker_api import DockerApi, import_sdk, require_sdk
from ..node.errors import CommandFailed, NodeError, Undetermined
from ..node.machine import Machine
from ..node.processes import Process
from .base import DOWN, UNDEF, UP, WARN, Daemon, DaemonLook
from .leftovers import Leftovers

_API_DEADLINE = 5.0
_KILL_DEADLINE = 10.0
_SPACE_FLOOR = 256 << 20
_KILLED_DEADLINE = 2.0
_NEVER = -1e9


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
        self._needs_bridge = needs_bridge
        self._bridge = Bridge(machine.short_id, machine.run)
        self._pid_file = os.path.join(machine.private_folder, "docker.pid")
        self._config_file = os.path.join(machine.private_folder, "daemon.json")
        self._leftovers = Leftovers(machine, self.data_root, grace, (self._pid_file, self.socket))
        self._predicted: Optional[DaemonLook] = None
        self._seen = DaemonLook(UNDEF)
        self._seen_at = _NEVER
        self._trusted: Optional[Process] = None  # the process that has shown its data root
        self._api: Optional[DockerApi] = None
        self._log = DaemonLog(machine.daemon_log)

    # Reading

    def look(self, max_age: float = 0.0) -> DaemonLook:
        if self._predicted:
            return self._predicted
        if time.monotonic() - self._seen_at >= max_age:
            try:
                self._seen = self._look(max_age)
            except Undetermined as error:
                self._seen = DaemonLook(UNDEF, str(error))
            self._seen_at = time.monotonic()
        return self._seen

    def api(self) -> DockerApi:
        if self._api is None:
            self._api = DockerApi(self.socket, _API_DEADLINE)
        return self._api

    def container_pids(self, container_id: str) -> List[int]:
        name = "docker-%s.scope" % container_id if self.machine.host.systemd else container_id
        return sorted(self.machine.cgroup.below(name).pids())

    def run_options(self) -> List[str]:
        return []

    def problems(self) -> List[str]:
        """What is wrong with a daemon that is up: a socket that others may use, a data root that it cannot work in."""
        found = []
        try:
            facts = os.stat(self.socket)
            group = self.service.values["docker_socket_group"]
            gid = 0 if group == "root" else files.group_id(group)
            if (facts.st_mode & 0o777, facts.st_uid, facts.st_gid) != (0o660, 0, gid):
                found.append("the socket is not root:%s 0660 any more" % group)
        except (OSError, NodeError) as error:
            found.append("the socket cannot be checked: %s" % error)
        if self._is_hidden():
            found.append(
                "the data root %s is not the one that the daemon works in: it was mounted over" % self.data_root
            )
        return found + self._data_root_problems()

    def _data_root_problems(self) -> List[str]:
        """What is wrong with the file system of the data root: it is full or read-only."""
        found = []
        try:
            space = os.statvfs(self.data_root)
        except OSError as error:
            return ["the data root %s cannot be checked: %s" % (self.data_root, error.strerror)]
        if mounts.is_read_only(self.data_root):
            found.append("the data root %s is read-only" % self.data_root)
        if space.f_bavail * 20 < space.f_blocks and space.f_bavail * space.f_frsize < _SPACE_FLOOR:
            found.append("the data root %s has %d MiB left" % (self.data_root, space.f_bavail * space.f_frsize >> 20))
        if space.f_files and space.f_favail * 20 < space.f_files:
            found.append("the data root %s has less than 5%% of its inodes left" % self.data_root)
        return found

    def _is_hidden(self) -> bool:
        """Whether the files that the daemon holds open in its data root are others than those that the node sees there."""
        process = self._process(1.0)
        try:
            return process is not None and any(
                not os.path.exists(path) or not os.path.samefile(link, path)
                for link, path in processes.open_files(process.pid)
                if path.startswith(self.data_root + "/") and path.endswith(".db")
            )
        except OSError:
            return False  # a file was closed meanwhile

    def _look(self, max_age: float) -> DaemonLook:
        owner, process = self._listener()
        if process and self._is_ours(process):
            return self._ask(process)
        mine = self._process(max_age)
        if owner:
            holder = str(process or "pid %d" % owner)
            return DaemonLook(
                UNDEF,
                "the socket %s is held by %s, which is not the service's daemon" % (self.socket, holder),
                mine.pid if mine else None,
            )
        if mine:
            return DaemonLook(
                UNDEF, "the docker daemon runs (pid %d) but does not listen on %s" % (mine.pid, self.socket), mine.pid
            )
        survivors = self._leftovers.survivors(max_age)
        if survivors:
            return DaemonLook(
                WARN,
                "the docker daemon is dead, but %d of its processes live on" % len(survivors),
                None,
                tuple(survivors),
            )
        return DaemonLook(DOWN, "docker daemon is not running")

    def _listener(self) -> Tuple[Optional[int], Optional[Process]]:
        """Who listens on the socket: its pid and its process. One that is being killed keeps the socket for a moment."""
        end = time.monotonic() + _KILLED_DEADLINE
        while True:
            owner = processes.socket_owner(self.socket)
            process = processes.find(owner) if owner else None
            if not owner or process or time.monotonic() > end:
                return owner, process
            time.sleep(0.02)

    def _ask(self, process: Process) -> DaemonLook:
        if processes.state(process.pid) in ("T", "t"):
            return DaemonLook(
                UNDEF, "the docker daemon (%s) does not answer: it is stopped by a signal" % process, process.pid
            )
        try:
            if process == self._trusted:
                self.api().ping()
                return DaemonLook(UP, "", process.pid)
            root = self.api().info().get("DockerRootDir", "")
        except Undetermined as error:
            self._api = None
            return DaemonLook(UNDEF, str(error), process.pid)
        if os.path.realpath(root) != os.path.realpath(self.data_root) and os.path.dirname(root) != self.data_root:
            return DaemonLook(UNDEF, "the docker daemon uses %s and not %s" % (root, self.data_root), process.pid)
        self._trusted = process
        return DaemonLook(UP, "", process.pid)

    def _is_ours(self, process: Process) -> bool:
        """Whether a process carries this service's roots in its arguments. Two daemons never share them."""
        if os.path.basename(process.program) != "dockerd":
            return False
        wanted = {"--data-root": self.data_root, "--exec-root": self.machine.exec_root, "--pidfile": self._pid_file}
        pairs = dict(zip(process.argv, process.argv[1:]))
        return all(pairs.get(option) == value for option, value in wanted.items())

    def _process(self, max_age: float = 0.0) -> Optional[Process]:
        """The service's daemon among all that run, also when its socket is gone."""
        ours = [
            process
            for process in self.machine.host.docker_processes(max_age)
            if self._is_ours(process) and process.runs()
        ]
        return ours[0] if ours else None

    # Starting

    def check_start(self) -> None:
        """Refuse a start that cannot work, before anything is changed. Raises NodeError."""
        require_programs("dockerd", "docker")
        require_sdk()
        problem = self.machine.path_problem()
        if problem:
            raise NodeError(problem)
        group = self.service.values["docker_socket_group"]
        if group != "root":
            files.group_id(group)
        files.check_root_owned(self.data_root)
        for other in self.machine.host.docker_processes():
            if os.path.basename(other.program) == "dockerd" and not self._is_ours(other) and self._shares_root(other):
                raise NodeError("the data root %s is in use by another docker daemon, %s" % (self.data_root, other))

    def _shares_root(self, other: Process) -> bool:
        """Whether another daemon works in our data root, by whatever name it calls it."""
        words = [part for word in other.argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
        root = dict(zip(words, words[1:])).get("--data-root", "")
        try:
            return os.path.samefile(root, self.data_root)
        except OSError:
            return os.path.realpath(root) == os.path.realpath(self.data_root)

    def start(self) -> bool:
        """Bring the daemon up; whether it was not. What a daemon that died has left behind is cleared away before."""
        found = self.look()
        if found.state == UP:
            return False
        if found.state == UNDEF:
            raise NodeError("%s; stop the service, then start it again" % found.reason)
        self.check_start()
        if not self._predicted:
            self._leftovers.clear()
        self._prepare()
        self._run.do(self._argv(), self._launch)
        self._seen_at = _NEVER
        if self._run.check_mode:
            self._predicted = DaemonLook(UP)
        return True

    def _prepare(self) -> None:
        machine = self.machine
        machine.prepare()
        machine.folder(machine.socket_folder, 0o750, self.service.values["docker_socket_group"])
        if not os.path.isdir(self.data_root):
            machine.folder(self.data_root, 0o710)
        if not os.path.exists(self._config_file):
            self._run.do(
                ["sh", "-c", "echo {} > %s" % self._config_file], partial(files.write_whole, self._config_file, "{}\n")
            )
        self._choose_subnet()
        if self._needs_bridge:
            self._bridge.start(self._subnet)

    def _choose_subnet(self) -> None:
        registry = self.machine.subnets
        choose = registry.imagine if self._run.check_mode else registry.take
        self._subnet = choose(self.machine.slug, self.service.values["docker_subnet"])

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
            stop_timeout = self._grace + values["docker_stop_timeout"]
            return systemd.transient_unit(self._unit, machine.slice, machine.daemon_log, stop_timeout, argv)
        return argv

    @property
    def _unit(self) -> str:
        return "dockyard-%s.service" % self.machine.short_id

    def _launch(self) -> None:
        """Start the process and wait until it answers. Raises NodeError with dockerd's own last lines when it does not."""
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
            if os.path.exists(self.socket) and self._answers():
                return
            time.sleep(0.01)
        ended = not (process and process.runs())
        said = self._log.last_words()
        self._give_up(child)
        what = "ended at once" if ended else "did not answer within %g s" % deadline
        reasons = "; ".join([said or "it wrote nothing", *self._data_root_problems()])
        raise NodeError("the docker daemon of the service %s: %s (log: %s)" % (what, reasons, self.machine.daemon_log))

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
        return self._process()

    def _answers(self) -> bool:
        try:
            owner = processes.socket_owner(self.socket)
            process = processes.find(owner) if owner else None
            return bool(process and self._is_ours(process) and self._ask(process).state == UP)
        except Undetermined:
            return False

    def _give_up(self, child: Optional[subprocess.Popen[bytes]]) -> None:
        """End a daemon that this run started and that did not come up."""
        process = self._process()
        if process:
            processes.send(process, signal.SIGTERM)
            if not processes.wait_gone(process, 3):
                processes.send(process, signal.SIGKILL)
                processes.wait_gone(process, _KILL_DEADLINE)
        if child is not None:
            child.wait()
        self._leftovers.clear()

    # Stopping

    def wake(self) -> DaemonLook:
        """Let a daemon that was stopped by a signal go on, and look again: a stop wants to talk to it first."""
        found = self.look()
        if found.state != UNDEF or found.pid is None or processes.state(found.pid) not in ("T", "t"):
            return found
        self._signal(signal.SIGCONT)
        return self.look()

    def running_containers(self) -> List[str]:
        """The names of the containers that run in the daemon, whoever started them. Raises Undetermined.

        The list alone is not enough: with a disk that is full or read-only it goes on showing what has ended.
        """
        ended = ("exited", "created", "dead")
        api = self.api()
        listed = [item for item in api.containers() if item.get("State") not in ended]
        return [
            item["Names"][0].lstrip("/")
            for item in listed
            if ((api.container(item["Id"]) or {}).get("State") or {}).get("Status", "dead") not in ended
        ]

    def stop(self) -> bool:
        """End the daemon and everything it left; whether there was something. Raises NodeError when a part stays.

        A daemon that does not heed SIGTERM is continued, in case it was stopped by a signal, and killed in the end.
        """
        if self._predicted and self._predicted.state == DOWN:
            return False
        process = self._process()
        self._seen_at = _NEVER
        changed = process is not None
        if process:
            self._signal(signal.SIGTERM)
            if not self._run.check_mode:
                if processes.state(process.pid) in ("T", "t"):
                    self._signal(signal.SIGCONT)
                if not processes.wait_gone(process, self._grace + self.service.values["docker_stop_timeout"]):
                    self._run.journal.remark("", "the docker daemon (pid %d) did not end in time" % process.pid, "warn")
                    self._signal(signal.SIGKILL)
                    if not processes.wait_gone(process, _KILL_DEADLINE):
                        raise NodeError(
                            "the docker daemon (pid %d) cannot be killed: it waits for a device (state %s)"
                            % (process.pid, processes.state(process.pid))
                        )
        self._api = None
        if self._run.check_mode:
            self._predicted = DaemonLook(DOWN, "docker daemon is not running")
        if self._run.check_mode and process:
            self._leftovers.clear_after_imagined_end()
        else:
            changed = self._leftovers.clear() or changed
        if self._bridge.exists():
            self._bridge.stop()
            changed = True
        return changed

    def evidence(self) -> Dict[str, str]:
        """What proves that the daemon has released everything. Raises NodeError when it has not."""
        owner = processes.socket_owner(self.socket)
        problems = []
        if self._process():
            problems.append("its process runs")
        if owner:
            problems.append("its socket is held by %s" % (processes.find(owner) or "pid %d" % owner))
        survivors = self._leftovers.survivors()
        if survivors:
            problems.append("processes live: %s" % processes.describe(survivors))
        busy = [mount.point for mount in self._leftovers.mounts()]
        if busy:
            problems.append("mounts stay: %s" % ", ".join(busy[:5]))
        if self._bridge.exists():
            problems.append("bridge %s stays" % self._bridge.name)
        if problems:
            raise NodeError("the docker daemon is not released: %s" % "; ".join(problems))
        return {
            "daemon": "no process has the service's data root, and nobody listens on %s" % self.socket,
            "processes": "control group %s is empty and no shim is left" % self.machine.cgroup.path,
            "mounts": "nothing is mounted below %s, nor by the daemon below %s"
            % (self.machine.exec_root, self.data_root),
            "network": "bridge and rules are gone",
        }

    def _signal(self, number: int) -> None:
        process = self._process()
        if process:
            self._seen_at = _NEVER
            name = signal.Signals(number).name[3:]
            self._run.do(["kill", "-" + name, str(process.pid)], partial(processes.send, process, number))
