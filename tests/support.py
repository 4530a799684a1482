# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests with real daemons share: a tiny image, a service to act on, and a look at the machine of their own.

What is found on the machine is read here without the code under test. To be used inside tests/sandbox only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.selection import select_resources
from ansible_collections.dockyard.svc.plugins.module_utils.engine import many
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal
from ansible_collections.dockyard.svc.plugins.module_utils.node.machine import Directories, Host, Machine

COLLECTIONS = next(path for path in sys.path if (Path(path) / "ansible_collections/dockyard/svc").is_dir())
NODE = "node1"
IMAGE = "tiny"
ARCHIVE = "/srv/tiny.tar"
OBEDIENT = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]
"""A command that runs until it is asked to end."""
PATIENCE = 150.0
"""Seconds that something may take on a busy machine before a test gives up."""


def container(**keywords: Any) -> dict[str, Any]:
    """A container section that works; what is given replaces or adds keywords."""
    section = {"image": IMAGE, "image_archive": ARCHIVE, "command": OBEDIENT, "stop_timeout": 5}
    return {name: value for name, value in {**section, **keywords}.items() if value is not None}


def definition(path: str, *containers: dict[str, Any], **default: Any) -> dict[str, Any]:
    """A definition with these containers, numbered from 0. Without any it has one that works."""
    sections = {"container#%d" % index: section for index, section in enumerate(containers or (container(),))}
    return {"docker_data_dir": "/srv/%s/docker" % path, **sections, **default}


def make_archive(archive: str = ARCHIVE) -> None:
    """The plain tar of a root file system that holds busybox alone."""
    with tarfile.open(archive, "w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in (
            "sh",
            "sleep",
            "cat",
            "env",
            "id",
            "hostname",
            "httpd",
            "wget",
            "touch",
            "test",
            "ls",
            "kill",
            "yes",
        ):
            link = tarfile.TarInfo("bin/" + name)
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)


class Service:
    """One service, acted on through the engine as the modules do, or through a module in a process of its own."""

    def __init__(self, path: str, *containers: dict[str, Any], directories: Directories | None = None, **default: Any):
        self.path = path
        self.directories = directories or Directories()
        self.raw = definition(path, *containers, **default)
        self._leave_out = [name for name, value in self.raw.items() if value is None]
        for name in self._leave_out:
            del self.raw[name]
        self.definition = parse_all({path: self.raw}, NODE)[path]
        self.machine = Machine(
            Host(self.directories),
            Runner(Journal(path), check_mode=True),
            self.definition.path.slug,
            self.definition.short_id,
        )
        self.data_root = self.raw.get("docker_data_dir", "")
        self.socket = self.machine.socket if self.data_root else "/var/run/docker.sock"
        self.exec_root = self.machine.exec_root
        self.pid_file = os.path.join(self.machine.private_folder, "docker.pid")
        self.bridge = "dy" + self.definition.short_id
        self.table = "dockyard_" + self.definition.short_id
        self.lock = os.path.join(self.directories.run, "lock", self.machine.slug)
        self.log = os.path.join(self.directories.log, self.machine.slug + ".log")

    # Acting

    def act(self, state: str, check_mode: bool = False, rid: str = "") -> dict[str, Any]:
        """Bring the service into a state, in this process; the outcome."""
        rids = select_resources(rid, {self.path: self.definition})
        return many.act({self.path: self.definition}, rids, Host(self.directories), state, check_mode)[self.path]

    def start(self, **options: Any) -> dict[str, Any]:
        """Start; the test fails when that fails."""
        return self._well(self.act("started", **options))

    def stop(self, **options: Any) -> dict[str, Any]:
        """Stop; the test fails when that fails."""
        return self._well(self.act("stopped", **options))

    def restart(self, **options: Any) -> dict[str, Any]:
        """Restart; the test fails when that fails."""
        return self._well(self.act("restarted", **options))

    def status(self, docker_patience: float = 5.0) -> dict[str, Any]:
        """The status of the service."""
        host = Host(self.directories, docker_patience=docker_patience)
        return many.inspect({self.path: self.definition}, host)[self.path]

    def state(self, rid: str = "container#0") -> str:
        """The state of one resource."""
        return self.status()["resources"][rid]["state"]

    def remarks(self, rid: str = "container#0") -> str:
        """All remarks of the status on one resource."""
        return "; ".join(line["text"] for line in self.status()["resources"][rid]["log"])

    def module(self, state: str = "started", environment: dict[str, str] | None = None, **options: Any) -> Module:
        """Run the module `service` in a process of its own."""
        options = {"services": {self.path: self.raw}, "node": NODE, "state": state, **options}
        return Module("service", options, environment)

    def info(self) -> dict[str, Any]:
        """The status of the service, by the module `service_info` in a process of its own."""
        return Module("service_info", {"services": {self.path: self.raw}, "node": NODE}).outcome()

    def playbook(self, name: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection for this service, as a user does; whether it fails is left to the test."""
        variables = {"dockyard_services": {self.path: self.raw}, **variables}
        words = ["ansible-playbook", "dockyard.svc." + name, "--inventory", NODE + ",", "--connection", "local"]
        words += ["--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable, **variables}), *arguments]
        environment = {**os.environ, "ANSIBLE_DISPLAY_FAILED_STDERR": "false"}  # molecule sets it
        return run(*words, check=False, cwd="/", env=environment)

    @staticmethod
    def _well(outcome: dict[str, Any]) -> dict[str, Any]:
        assert not outcome["failed"], outcome["msg"]
        return outcome

    # Looking, and spoiling things

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run docker on the socket of the service, as one of its users does."""
        return run("docker", "--host", "unix://" + self.socket, *words, check=check)

    def name(self, index: int = 0) -> str:
        """The name of a container."""
        return self.definition.path.container_name(str(index))

    def inspect(self, index: int = 0) -> dict[str, Any]:
        """What docker knows of a container."""
        return json.loads(self.docker("inspect", self.name(index)).stdout)[0]

    def logs(self, index: int = 0) -> str:
        """What a container wrote."""
        return self.docker("logs", self.name(index)).stdout

    def daemon_pid(self) -> int:
        """The dockerd of the service, 0 when none runs."""
        return next((pid for pid, argv in processes() if self._is_daemon(argv)), 0)

    def container_pid(self, index: int = 0) -> int:
        """The first process of a container."""
        return int(self.inspect(index)["State"]["Pid"])

    def helpers(self) -> list[int]:
        """The containerd and the shims of the daemon."""
        return [pid for pid, argv in processes() if self.exec_root in " ".join(argv) and not self._is_daemon(argv)]

    def kill_daemon(self) -> None:
        """Kill dockerd and nothing else."""
        kill(self.daemon_pid())

    def remains(self) -> list[str]:
        """All that the machine has of the running service: processes, mounts, socket, pid file, network."""
        found = ["pid %d: %s" % (pid, " ".join(argv)[:80]) for pid, argv in processes() if self._marked(argv)]
        for root in self.machine.host.hierarchies:
            for folder, _children, _files in os.walk(root + self.machine.cgroup.path):
                found += ["cgroup %s: pid %s" % (folder, pid) for pid in _lines(folder + "/cgroup.procs")]
        places = [place for place in (self.data_root, self.exec_root) if place]
        for line in _lines("/proc/self/mountinfo"):
            point = line.split()[4]
            if any(point == place or point.startswith(place + "/") for place in places):
                found.append("mount " + point)
        found += [path for path in (self.socket, self.pid_file, self.exec_root) if os.path.lexists(path)]
        if self.bridge in (name for _index, name in socket.if_nameindex()):
            found.append("bridge " + self.bridge)
        if self.table in run("nft", "list", "tables").stdout:
            found.append("table " + self.table)
        return found + self._disks_and_addresses()

    def _disks_and_addresses(self) -> list[str]:
        """The addresses, loop devices and mounts of the definition that the machine has."""
        found = []
        mounted = [line.split()[4] for line in _lines("/proc/self/mountinfo")]
        for resource in self.definition.resources:
            values = resource.values
            if resource.group == "ip":
                found += ["address %s on %s" % item for item in places_of(str(values["ipname"]))]
            elif resource.type == "loop":
                found += ["loop device %s of %s" % (device, values["file"]) for device in loops_of(values["file"])]
            elif resource.group == "fs":
                found += ["mount " + point for point in mounted if (point + "/").startswith(values["mnt"] + "/")]
        return found

    def wipe(self) -> None:
        """End and remove what a test has left, without the code under test."""
        for _attempt in range(20):
            pids = [pid for pid, argv in processes() if self._marked(argv)]
            for root in self.machine.host.hierarchies:
                for folder, _children, _files in os.walk(root + self.machine.cgroup.path):
                    pids += [int(pid) for pid in _lines(folder + "/cgroup.procs")]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not pids:
                break
            time.sleep(0.1)
        places = [place for place in (self.data_root, self.exec_root) if place]
        for line in reversed(_lines("/proc/self/mountinfo")):
            point = line.split()[4]
            if any(point == place or point.startswith(place + "/") for place in places):
                run("umount", "--lazy", point, check=False)
        for path in (self.socket, self.pid_file, self.exec_root, self.data_root):
            _remove(path)
        run("ip", "link", "delete", "dev", self.bridge, check=False)
        run("nft", "delete table ip %s" % self.table, check=False)
        for item in reversed(self._disks_and_addresses()):
            kind, _space, rest = item.partition(" ")
            if kind == "mount":
                run("umount", "--lazy", rest, check=False)
        for item in self._disks_and_addresses():
            words = item.split()
            if words[0] == "loop":
                run("losetup", "--detach", words[2], check=False)
            elif words[0] == "address":
                run("ip", "address", "delete", words[1], "dev", words[3], check=False)

    def _is_daemon(self, argv: tuple[str, ...]) -> bool:
        return os.path.basename(argv[0]) == "dockerd" and self.data_root in argv

    def _marked(self, argv: tuple[str, ...]) -> bool:
        return bool(self.data_root) and (self._is_daemon(argv) or self.exec_root in " ".join(argv))


class Module:
    """A module that runs in a process of its own, as Ansible starts it."""

    def __init__(
        self,
        name: str,
        options: dict[str, Any],
        environment: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ):
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "ansible_collections.dockyard.svc.plugins.modules." + name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": COLLECTIONS, **(environment or {})},
            text=True,
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        self._process.stdin.close()
        self._process.stdin = None
        self.pid = self._process.pid

    def wait(self) -> int:
        """The exit code; -9 when it was killed."""
        self.stdout, self.stderr = self._process.communicate(timeout=2 * PATIENCE)
        return self._process.returncode

    def result(self) -> dict[str, Any]:
        """What the module returned."""
        self.wait()
        assert self.stdout.strip(), self.stderr
        return json.loads(self.stdout)

    def outcome(self) -> dict[str, Any]:
        """The outcome for the only service of the call."""
        result = self.result()
        assert "services" in result, result
        return next(iter(result["services"].values()))


def run(*argv: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of the test's own."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE, check=False, **options
    )
    assert not check or done.returncode == 0, "%s: %s" % (" ".join(argv), done.stderr or done.stdout)
    return done


def processes() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every process that runs, with its arguments. A zombie has none and is left out."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", name, "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        except OSError:
            continue
        if words:
            yield int(name), tuple(words)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path("/proc/%d/stat" % pid).read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(*pids: int, number: int = signal.SIGKILL) -> None:
    """Signal processes; with SIGKILL wait until they are gone."""
    for pid in pids:
        assert pid > 0, "there is no process to kill"
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    if number == signal.SIGKILL:
        wait_for(lambda: not any(map(alive, pids)))


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until something holds, and return it. The test fails when it does not come to pass."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "did not come to pass within %g s" % seconds
        time.sleep(0.05)


def places_of(address: str) -> list[tuple[str, str]]:
    """Where an address is: with its prefix length, and the interface."""
    return [
        ("%s/%d" % (address, entry["prefixlen"]), link["ifname"])
        for link in json.loads(run("ip", "-json", "address").stdout)
        for entry in link.get("addr_info", [])
        if entry.get("local") == address
    ]


def loops() -> Iterator[tuple[str, str]]:
    """Every loop device of the machine with its file, also when that was removed meanwhile."""
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # it was detached just now
            yield "/dev/" + entry.parts[3], entry.read_text(encoding="utf-8").rstrip("\n").removesuffix(" (deleted)")


def loops_of(file: str) -> list[str]:
    """The loop devices of a file."""
    return sorted(device for device, path in loops() if path == file)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _remove(path: str) -> None:
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        os.unlink(path)
    elif path and os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
