"""The two nodes, the services of the printed configuration files, and the playbooks of the collection."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import read_directory
from ansible_collections.dockyard.svc.tests.playbooks import run_playbook
from ansible_collections.dockyard.svc.tests.vm.nodes import Node

SCENARIO = Path(__file__).resolve().parent.parent
DEB1, DEB2 = "deb1.opensvc.com", "deb2.opensvc.com"


@pytest.fixture(scope="session")
def deb1():
    node = Node(DEB1)
    yield node
    node.leave()


@pytest.fixture(scope="session")
def deb2():
    node = Node(DEB2)
    yield node
    node.leave()


@pytest.fixture(scope="session")
def scenario():
    """The folder of the scenario."""
    return SCENARIO


@pytest.fixture(scope="session")
def printed():
    """The services of the printed configuration files."""
    return read_directory(str(SCENARIO / "services"))


@pytest.fixture(scope="session")
def play(tmp_path_factory):
    """Run a playbook of the collection on deb1: `play("start", svc="docker.opensvc.com", rid="disk,fs")`."""

    def run(playbook, rc=0, **variables):
        words = ("--extra-vars", json.dumps({"dockyard_hosts": DEB1, **variables}))
        return run_playbook(SCENARIO / "inventory.yml", tmp_path_factory, playbook, *words, rc=rc, host=DEB1)

    return run
