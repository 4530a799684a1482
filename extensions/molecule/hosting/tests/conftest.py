"""What the tests see of the machine, and how they run the playbooks of the collection."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.dockyard.svc.tests.playbooks import run_playbook

SCENARIO = Path(__file__).resolve().parent.parent
SIX = {
    "app%d-%s/svc1" % (number, environment): "team%d" % number
    for number in (1, 2)
    for environment in ("dev", "int", "prd")
}
"""The services of the walkthrough, each with the group that may use its daemon."""


@pytest.fixture(scope="session")
def teams():
    """The group of each of the six services."""
    return SIX


@pytest.fixture(params=SIX)
def service(request):
    """One of the six services after the other."""
    return request.param


@pytest.fixture(scope="session")
def play(tmp_path_factory):
    """Run a playbook of the collection by its full name: `play("start", "-e", "svc=app1-prd/svc1")`."""
    return partial(run_playbook, SCENARIO / "inventory.yml", tmp_path_factory)


# --- looking at the machine -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Daemon:
    """A dockerd as its process shows it."""

    pid: int
    began: str
    options: dict = field(hash=False)

    @property
    def data_root(self):
        return self.options["--data-root"]

    @property
    def socket(self):
        return self.options["--host"].replace("unix://", "")


class Machine:
    """The machine, read anew at each question."""

    def __init__(self, host):
        self.host = host

    def daemons(self):
        """Every dockerd that runs, by the service whose data root it has."""
        found = {}
        for process in self.host.process.filter(comm="dockerd"):
            words = Path("/proc/%d/cmdline" % process.pid).read_text().split("\0")[1:-1]
            if not words:  # it has ended, and nobody has waited for it yet
                continue
            options = {}
            for position, word in enumerate(words):
                name, equals, value = word.partition("=")
                options[name] = value if equals else (words[position + 1 : position + 2] or [""])[0]
            daemon = Daemon(process.pid, began(process.pid), options)
            service = daemon.data_root.replace("/srv/", "", 1).replace("/docker", "", 1)
            assert service not in found, "two daemons have the data root %s" % daemon.data_root
            found[service] = daemon
        return found

    def socket(self, service):
        return "/run/dockyard/%s/docker.sock" % service.replace("/", "..")

    def docker(self, service, *words):
        """What a docker command on the service's socket prints."""
        return self.host.check_output(
            "docker --host unix://%s " + " ".join(["%s"] * len(words)), self.socket(service), *words
        )

    def containers(self, service):
        """What the service's daemon knows of its containers, by name."""
        ids = self.docker(service, "ps", "--all", "--quiet", "--no-trunc").split()
        inspected = json.loads(self.docker(service, "inspect", *ids)) if ids else []
        return {item["Name"].lstrip("/"): item for item in inspected}

    def life(self, services):
        """What changes when a service, or its daemon, is touched: processes, their age, container ids and start times."""
        daemons = self.daemons()
        return {
            service: {
                "daemon": (daemons[service].pid, daemons[service].began),
                "containers": {
                    name: (item["Id"], item["State"]["Pid"], item["State"]["StartedAt"], item["RestartCount"])
                    for name, item in self.containers(service).items()
                },
            }
            for service in services
        }

    def images(self, service):
        """The ids of the images in the service's data root, from the disk."""
        return {path.name for path in Path("/srv/%s/docker/image" % service).glob("*/imagedb/content/sha256/*")}

    def interfaces(self, prefix):
        links = json.loads(self.host.check_output("ip -json link show"))
        return sorted(link["ifname"] for link in links if link["ifname"].startswith(prefix))

    def tables(self):
        """The names of the nftables tables."""
        found = json.loads(self.host.check_output("nft --json list tables"))["nftables"]
        return sorted(item["table"]["name"] for item in found if "table" in item)


def began(pid):
    """When a process began, in the kernel's ticks: a reused pid has another one."""
    return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[19]


@pytest.fixture
def machine(host):
    return Machine(host)


# --- what the collection has written ----------------------------------------------------------------------------------

BOOKS = (Path("/var/lib/dockyard"), Path("/var/log/dockyard"), Path("/run/dockyard"))
EXEC_ROOTS = Path("/run/dockyard/x")
DATA = Path("/srv")


@pytest.fixture(scope="session")
def books():
    """What the collection keeps on the machine: owner, mode, size and time of every file and folder.

    Daemons write in their exec roots, data roots and logs by themselves: of these only the existence counts.
    """

    def read():
        kept = [path for book in BOOKS for path in (book, *book.rglob("*")) if EXEC_ROOTS not in path.parents[1:]]
        data = [path for pattern in ("*", "*/*", "*/*/docker") for path in DATA.glob(pattern)]
        found = {}
        for path in kept + data:
            facts = path.lstat()
            alive = path in data or EXEC_ROOTS in path.parents or path.name.endswith(".dockerd.log")
            written = None if alive else (facts.st_size, facts.st_mtime_ns)
            found[str(path)] = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_ino, written)
        return found

    return read
