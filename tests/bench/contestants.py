"""The contestants: the collection, the bare script, and community.docker, each with the same six services.

Every method runs one thing to its end and returns how long that took, in seconds by the wall clock.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIX = [f"app{app}-{env}/svc1" for app in (1, 2) for env in ("dev", "int", "prd")]
HUNDRED = [f"load{number // 10}/svc{number % 10}" for number in range(100)]
COMMAND = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 3600 & wait; done"]
"""A container that lives until it is asked to end, and then ends at once."""

_DEADLINE = 300


class NotRun(Exception):
    """Something that the benchmark needs did not work; the message ends with what it said."""


class Stage:
    """The folder that all play in: an image archive, inventories, playbooks, and the output of what ran last."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.archive = folder / "tiny.tar"
        self._output = folder / "output"
        folder.mkdir(parents=True, exist_ok=True)
        _write_image(self.archive)

    def write(self, name: str, content: Any) -> Path:
        """A file for Ansible, which reads JSON as YAML."""
        path = self.folder / name
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path

    def timed(self, argv: list[str], **environment: str) -> float:
        """Run a command. Raises NotRun with its last lines, the long ones cut, when it fails."""
        with self._output.open("w") as output:
            began = time.monotonic()
            process = subprocess.Popen(
                argv,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            guard = threading.Timer(_DEADLINE, process.kill)  # Popen.wait with a deadline looks only each 0.05 s
            guard.start()
            try:
                process.wait()
            finally:
                is_late = not guard.is_alive()
                guard.cancel()
            seconds = time.monotonic() - began
        if is_late:
            raise NotRun(f"{argv[0]} was not done after {_DEADLINE} s")
        if process.returncode:
            lines = self._output.read_text(errors="replace").strip().splitlines()
            raise NotRun(
                "%s failed (%d): %s"
                % (" ".join(argv), process.returncode, "\n".join(line[:500] for line in lines[-15:]))
            )
        return seconds


class Ansible:
    """Playbooks on this machine as the only host, with variables of its inventory."""

    def __init__(self, stage: Stage, name: str, variables: dict[str, Any]):
        self._stage = stage
        local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        inventory = {"all": {"hosts": {"node1": local}, "vars": variables}}
        self._inventory = str(stage.write(f"{name}.inventory.yml", inventory))

    def play(self, playbook: str, **environment: str) -> float:
        return self._stage.timed(["ansible-playbook", "--inventory", self._inventory, playbook], **environment)


class Collection(Ansible):
    """Services with this collection."""

    def __init__(self, stage: Stage, name: str, services: dict[str, Any]):
        super().__init__(stage, name, {"dockyard_services": services})
        self._results = stage.folder / "results" / name

    def start(self, **environment: str) -> float:
        return self._act("dockyard.svc.start", **environment)

    def stop(self) -> float:
        return self._act("dockyard.svc.stop")

    def action_alone(self) -> float:
        """The seconds that the last action took on the node, as the slowest service says in its result."""
        services = json.loads((self._results / "node1").read_text())["services"]
        return max(outcome["seconds"] for outcome in services.values())

    def _act(self, playbook: str, **environment: str) -> float:
        tree = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree", "ANSIBLE_CALLBACK_TREE_DIR": str(self._results)}
        return self.play(playbook, ANSIBLE_DEPRECATION_WARNINGS="false", **tree, **environment)


class Six(Collection):
    """Six services with one container each."""

    def __init__(self, stage: Stage):
        super().__init__(stage, "six", {path: _service(stage.archive) for path in SIX})

    def running(self) -> int:
        """How many services have their container running, as their own daemons tell."""
        return sum(bool(self._docker(path, "ps", "--quiet")) for path in SIX)

    def stop_containers(self) -> None:
        """Stop the containers behind the collection's back; the daemons stay up."""
        for path in SIX:
            self._docker(path, "stop", *self._docker(path, "ps", "--quiet").split())

    def forget(self) -> None:
        """Remove what the stopped services have left, so that the next start is the very first."""
        for folder in {Path("/srv", path).parent for path in SIX} | set(Path("/var/lib/dockyard").iterdir()):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()

    @staticmethod
    def _docker(path: str, *words: str) -> str:
        socket = "unix:///run/dockyard/%s/docker.sock" % path.replace("/", "..")
        return subprocess.run(
            ["docker", "--host", socket, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            text=True,
        ).stdout.strip()


class Full(Collection):
    """One service with an address, a loop device, ext4 on it, its daemon on that, and two containers."""

    def __init__(self, stage: Stage):
        container = {"image": "tiny", "image_archive": str(stage.archive), "command": COMMAND}
        service = {
            "docker_data_dir": "/srv/full/mnt/docker",
            "ip#1": {"ipname": "10.67.0.21", "ipdev": "wire0"},
            "disk#1": {"type": "loop", "file": "/srv/full/disk.img", "size": "512m"},
            "fs#1": {"type": "ext4", "dev": "/srv/full/disk.img", "mnt": "/srv/full/mnt"},
            "container#1": container,
            "container#2": container,
        }
        super().__init__(stage, "full", {"full/one": service})

    def make(self) -> None:
        """A wire to nobody, and the disk."""
        for words in (
            "ip netns add peer",
            "ip link add wire0 type veth peer name wire1 netns peer",
            "ip -netns peer link set wire1 up",
            "ip address add 10.67.0.1/24 dev wire0",
            "ip link set wire0 up",
            "mkdir /srv/full",
        ):
            subprocess.run(words.split(), check=True)
        self.play("dockyard.svc.provision")

    def status(self) -> float:
        return self.play("dockyard.svc.status")


class BareFull:
    """The same with the shell script."""

    def __init__(self, stage: Stage):
        self._stage = stage

    def make(self) -> float:
        return self._run("make", str(self._stage.archive))

    def start(self) -> float:
        return self._run("start")

    def stop(self) -> float:
        return self._run("stop")

    def _run(self, *words: str) -> float:
        return self._stage.timed([str(HERE / "bare-full"), *words], BENCH_COMMAND="\t".join(COMMAND))


class Bare:
    """The six services with the shell script."""

    sockets = [f"unix:///run/bare/{number}.sock" for number in range(1, 7)]

    def __init__(self, stage: Stage):
        self._stage = stage

    def first_start(self) -> float:
        return self._run("first", str(self._stage.archive))

    def start(self) -> float:
        return self._run("start")

    def stop(self) -> float:
        return self._run("stop")

    def each(self, *words: str) -> float:
        return self._run("each", *words)

    def forget(self) -> None:
        for root in Path("/srv/bare").iterdir():  # dockerd leaves the mount of its data root on itself behind
            while subprocess.run(["umount", str(root)], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                pass
        shutil.rmtree("/srv/bare")

    def _run(self, *words: str) -> float:
        return self._stage.timed([str(HERE / "bare"), *words], BENCH_COMMAND="\t".join(COMMAND))


class CommunityDocker(Ansible):
    """Containers in six running daemons, with one task of community.docker in a loop."""

    def __init__(self, stage: Stage, collections: Path):
        super().__init__(stage, "tasks", {"sockets": Bare.sockets})
        self.available = (collections / "ansible_collections" / "community" / "docker").is_dir()
        self._collections = str(collections)
        container = {
            "docker_host": "{{ item }}",
            "name": "task",
            "image": "tiny",
            "network_mode": "none",
            "command": COMMAND,
            "state": "started",
        }
        task = {"community.docker.docker_container": container, "loop": "{{ sockets }}"}
        self._playbook = stage.write("tasks.yml", _play("Start six", [task]))

    def start(self) -> float:
        return self.play(str(self._playbook), ANSIBLE_COLLECTIONS_PATH=self._collections)


class OwnCost(Ansible):
    """What Ansible costs by itself: a play without a task, and one with a task that does nothing."""

    def __init__(self, stage: Stage):
        super().__init__(stage, "own", {})
        self._empty = stage.write("empty.yml", _play("Nothing", []))
        self._trivial = stage.write("trivial.yml", _play("Next to nothing", [{"ansible.builtin.ping": {}}]))

    def empty(self) -> float:
        return self.play(str(self._empty))

    def trivial(self, **environment: str) -> float:
        return self.play(str(self._trivial), **environment)


class Status(Ansible):
    """The status of services that are all down."""

    def __init__(self, stage: Stage, paths: list[str]):
        super().__init__(
            stage, f"status{len(paths)}", {"dockyard_services": {path: _service(stage.archive) for path in paths}}
        )

    def read(self) -> float:
        return self.play("dockyard.svc.status")


def _service(archive: Path) -> dict[str, Any]:
    return {
        "docker_data_dir": "/srv/{svcpath}/docker",
        "container#0": {"image": "tiny", "image_archive": str(archive), "command": COMMAND},
    }


def _play(name: str, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "hosts": "all", "gather_facts": False, "tasks": tasks}]


def _write_image(path: Path) -> None:
    """The root file system of an image that holds nothing but busybox."""
    with tarfile.open(path, "w") as archive:
        for folder in ("bin", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        busybox = Path("/bin/busybox").read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(busybox), 0o755
        archive.addfile(entry, io.BytesIO(busybox))
        for name in ("sh", "sleep"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
