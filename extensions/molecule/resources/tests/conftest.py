"""What the tests see of the machine and of the peer on the wire, and how they run the playbooks of the collection."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.dockyard.svc.tests.playbooks import run_playbook

SCENARIO = Path(__file__).resolve().parent.parent
DISKS = ("shop-data.img", "shop-root.img", "wiki.img")


@pytest.fixture(scope="session")
def play(tmp_path_factory):
    """Run a playbook of the collection by its full name: `play("start", "-e", "svc=shop/web")`."""
    return partial(run_playbook, SCENARIO / "inventory.yml", tmp_path_factory)


class Machine:
    """The machine, read anew at each question."""

    def __init__(self, host):
        self.host = host

    def mounts(self):
        """What is mounted below /srv but for layers of containers: type, source and options of each mount, by its point."""
        listed = json.loads(self.host.check_output("findmnt --json --list --output TARGET,FSTYPE,SOURCE,OPTIONS"))
        found = {mount["target"]: mount for mount in listed["filesystems"] if mount["fstype"] != "overlay"}
        return {point: mount for point, mount in found.items() if point.startswith("/srv/")}

    def loops(self):
        """The loop device of each disk. Loop devices are the whole machine's: others may come and go."""
        listed = self.host.check_output("losetup --list --noheadings --output BACK-FILE,NAME").splitlines()
        return {Path(line.split()[0]).name: line.split()[-1] for line in listed if Path(line.split()[0]).name in DISKS}

    def addresses(self):
        """The addresses on every interface but the loopback, with their prefix lengths."""
        links = json.loads(self.host.check_output("ip -json address show"))
        return {
            "%s/%d" % (entry["local"], entry["prefixlen"]): link["ifname"]
            for link in links
            for entry in link["addr_info"]
            if link["ifname"] != "lo" and entry["scope"] == "global"
        }

    def peer(self, *words):
        """Run a command at the other end of the wire."""
        return self.host.run("ip netns exec peer " + " ".join(["%s"] * len(words)), *words)

    def docker(self, service, *words):
        """What a docker command on the service's socket prints."""
        socket = "/run/dockyard/%s/docker.sock" % service.replace("/", "..")
        return self.host.check_output("docker --host unix://%s " + " ".join(["%s"] * len(words)), socket, *words)


@pytest.fixture
def machine(host):
    return Machine(host)
