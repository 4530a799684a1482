# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequence that every driver keeps: status, start, start again, status, stop, stop again, status."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import commands
from ansible_collections.dockyard.svc.tests.support import (
    ARCHIVE,
    IMAGE,
    OBEDIENT,
    Module,
    Service,
    container,
    kill,
    wait_for,
)

SHAPES: dict[str, list[dict[str, Any]]] = {
    "no network": [container()],
    "bridge": [container(run_args=["--publish", "8090:80"])],
    "host network": [container(netns="host")],
    "removed on stop": [container(rm=True)],
    "two containers": [container(), container(netns="container#0")],
}


@pytest.mark.parametrize("containers", SHAPES.values(), ids=SHAPES)
def test_whole_sequence(make: Callable[..., Service], containers: list[dict[str, Any]]) -> None:
    """Nothing changes a second time, each status is true, and a stop leaves nothing behind."""
    service = make(*containers)
    assert service.status()["avail"] == "down"

    first = service.start()
    assert (first["changed"], first["status"]["overall"]) == (True, "up"), first["log"]
    assert len(service.docker("ps", "--quiet").stdout.split()) == len(containers)

    again = service.start()
    assert (again["changed"], again["commands"], again["status"]["overall"]) == (False, [], "up")
    assert service.status()["overall"] == "up"

    down = service.stop()
    assert (down["changed"], down["status"]["avail"]) == (True, "down")
    assert set(down["evidence"]) == {"docker daemon", *service.status()["resources"]}
    assert service.remains() == []

    again = service.stop()
    assert (again["changed"], again["commands"], again["status"]["avail"]) == (False, [], "down")
    assert service.status()["avail"] == "down"


def test_a_status_says_when_and_in_which_boot_it_was_read(service: Service) -> None:
    """Also what proves a stop: whoever decides by it can tell a stale one (F107)."""
    began = datetime.now(timezone.utc).replace(microsecond=0)
    service.start()
    status = service.stop()["status"]
    read_at = datetime.strptime(status["read_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert began <= read_at <= datetime.now(timezone.utc)
    assert status["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def test_same_container_is_started_again(running: Service) -> None:
    """What a container wrote is there after a stop and a start, and after a restart."""
    running.docker("exec", running.name(), "touch", "/precious")
    before = running.inspect()["Id"]
    running.stop()
    running.start()
    running.restart()
    assert running.inspect()["Id"] == before
    running.docker("exec", running.name(), "ls", "/precious")


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[], None]:
    """Takes every program away when it is called."""

    def take() -> None:
        monkeypatch.setattr(commands, "PATH", str(tmp_path))
        monkeypatch.setitem(commands.ENVIRONMENT, "PATH", str(tmp_path))

    return take


def test_tools_missing(service: Service, no_tools: Callable[[], None]) -> None:
    """Without Docker Engine the status is true, and a start says in one sentence what to install."""
    no_tools()
    assert service.status()["avail"] in ("down", "undef")
    outcome = service.act("started")
    assert outcome["failed"]
    assert "not installed" in outcome["msg"] and "docker.io" in outcome["msg"] and "\n" not in outcome["msg"]
    assert outcome["commands"] == []
    assert not service.stop()["changed"]


def test_tools_missing_under_a_running_service(
    running: Service, no_tools: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that cannot run docker fails in one sentence and takes nothing for stopped."""
    no_tools()
    assert running.status()["overall"] == "up"
    outcome = running.act("stopped")
    assert outcome["failed"] and "not installed" in outcome["msg"]
    assert outcome["status"]["overall"] == "up"
    monkeypatch.undo()
    running.stop()
    assert running.remains() == []


def test_sdk_missing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK a start is refused, and the status of what runs is not guessed at."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "docker", None)
        assert service.status()["avail"] == "down"
        outcome = service.act("started")
        assert outcome["failed"] and "python3-docker" in outcome["msg"] and outcome["commands"] == []
    service.start()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "docker", None)
        status = service.status()
        assert status["resources"]["container#0"]["state"] == "undef"
        assert (status["avail"], status["overall"]) == ("warn", "warn")
        outcome = service.act("stopped", rid="container#0")
        assert outcome["failed"] or service.remains() == []


@pytest.fixture
def node_daemon() -> Any:
    """Docker on the node's own socket, as the distribution starts it."""
    os.makedirs("/srv/node-docker", exist_ok=True)
    daemon = subprocess.Popen(
        ["dockerd", "--data-root", "/srv/node-docker", "--exec-root", "/run/node-docker", "--pidfile", "/run/node.pid"]
        + ["--bridge", "none", "--iptables=false", "--exec-opt", "native.cgroupdriver=cgroupfs"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield daemon
    daemon.terminate()
    daemon.wait(60)


def test_node_daemon_that_does_not_run(make: Callable[..., Service]) -> None:
    """A service without a private daemon is down, and its start says what is missing and starts no daemon."""
    service = make(docker_data_dir=None)
    assert service.status()["avail"] == "down"
    outcome = service.act("started")
    assert outcome["failed"] and "docker_data_dir" in outcome["msg"] and outcome["commands"] == []
    assert not service.stop()["changed"]


def test_node_daemon(make: Callable[..., Service], node_daemon: Any) -> None:
    """The sequence in the node's own daemon, which is never stopped."""
    service = make(docker_data_dir=None)
    wait_for(lambda: service.docker("info", check=False).returncode == 0)
    assert service.status()["avail"] == "down"
    assert service.start()["status"]["overall"] == "up"
    assert not service.start()["changed"]
    assert service.stop()["status"]["avail"] == "down"
    assert not service.stop()["changed"]
    assert node_daemon.poll() is None
    assert service.docker("ps", "--quiet").stdout == ""


def test_single_modules(make: Callable[..., Service]) -> None:
    """The modules dockerd and container keep the same sequence."""
    service = make()

    def daemon(state: str) -> dict[str, Any]:
        options = {"service": service.path, "data_root": service.data_root, "state": state}
        return Module("dockerd", options).result()

    def one(state: str) -> dict[str, Any]:
        options = {"service": service.path, "data_root": service.data_root, "state": state, "image": IMAGE}
        return Module("container", {**options, "image_archive": ARCHIVE, "command": OBEDIENT}).result()

    refused = one("started")
    assert refused["failed"] and "dockyard.svc.dockerd" in refused["msg"]
    assert [daemon("started")["changed"], daemon("started")["changed"]] == [True, False]
    result = one("started")
    assert (result["changed"], result["status"]["state"]) == (True, "up"), result
    assert not one("started")["changed"]
    refused = daemon("stopped")
    assert refused["failed"] and service.name() in refused["msg"]
    result = one("stopped")
    assert (result["changed"], result["status"]["state"]) == (True, "down"), result
    assert not one("stopped")["changed"]
    result = daemon("stopped")
    assert (result["changed"], result["status"]["state"]) == (True, "down"), result
    assert not daemon("stopped")["changed"]
    assert service.remains() == []


def test_daemon_killed_while_a_start_runs(make: Callable[..., Service]) -> None:
    """A daemon that dies between our look and our command fails the start, and nothing of it stays."""
    service = make(container(command=["sh", "-c", "sleep 600"], run_args=["--health-cmd", "false"]))
    start = service.module()
    wait_for(lambda: service.daemon_pid() and service.helpers() and service.docker("ps", "-q", check=False).stdout)
    kill(service.daemon_pid())
    outcome = start.outcome()
    assert outcome["failed"], outcome
    assert outcome["status"]["overall"] != "up"
    service.stop()
    assert service.remains() == []
