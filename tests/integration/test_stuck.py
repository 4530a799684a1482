# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is frozen or stopped by a signal: containers, their shims, the daemon."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import container as container_driver
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.support import Service, alive, container, kill, processes, wait_for

Make = Callable[..., Service]


def freeze(service: Service, group: str) -> None:
    """Freeze a control group inside the service's; an empty name is the service's own."""
    path = "%s/%s" % (service.machine.cgroup.path, group)
    switch = Path("/sys/fs/cgroup/freezer%s/freezer.state" % path)
    if switch.exists():
        switch.write_text("FROZEN", encoding="ascii")
    else:
        Path("/sys/fs/cgroup%s/cgroup.freeze" % path).write_text("1", encoding="ascii")


def shims(service: Service) -> list[int]:
    """The shims of the service's containers."""
    own = [(pid, argv) for pid, argv in processes() if service.exec_root in " ".join(argv)]
    return [pid for pid, argv in own if "containerd-shim" in argv[0]]


@pytest.mark.parametrize("verb", ["stopped", "started"])
@pytest.mark.parametrize("rm", [False, True], ids=["kept", "rm"])
def test_paused_container_whose_daemon_died(make: Make, verb: str, rm: bool) -> None:
    """A frozen process of cgroup v1 heeds no signal, not even SIGKILL: it is thawed first."""
    service = make(container(stop_timeout=2, rm=rm), container())
    service.start()
    service.docker("pause", service.name())
    service.kill_daemon()
    assert service.state() == "warn" and "frozen" in service.remarks()
    planned = service.act(verb, check_mode=True)
    outcome = service.act(verb)
    assert not outcome["failed"], outcome["msg"]
    assert [command["cmd"] for command in planned["commands"]][:3] == [
        command["cmd"] for command in outcome["commands"]
    ][:3]
    if verb == "started":
        assert service.status()["overall"] == "up"
    service.stop()
    assert service.remains() == []


def test_paused_container_is_stopped_alone(make: Make) -> None:
    """The same by its rid: the other container lives on without the daemon."""
    service = make(container(stop_timeout=2), container())
    service.start()
    service.docker("pause", service.name())
    service.kill_daemon()
    pid = service.status()["resources"]["container#1"]["facts"]["pid"]
    service.stop(rid="container#0")
    assert service.state() == "down" and alive(pid)
    service.stop()
    assert service.remains() == []


@pytest.mark.parametrize("verb", ["stopped", "started"])
def test_container_frozen_by_hand(running: Service, verb: str) -> None:
    """docker knows nothing of it and says running; a start thaws it, and a stop does not wait for it in vain."""
    freeze(running, str(running.inspect()["Id"]))
    assert running.state() == "warn" and "frozen" in running.remarks()
    running.restart() if verb == "stopped" else running.start()
    assert running.status()["overall"] == "up"
    running.stop()
    assert running.remains() == []


@pytest.mark.parametrize("group", ["", "daemon"], ids=["service", "daemon"])
def test_daemon_is_frozen(make: Make, group: str) -> None:
    """It is undef at once, with the reason; a start refuses, the stop of the whole service thaws it."""
    service = make(container(), container())
    service.start()
    freeze(service, group)
    assert service.state() == "undef" and "its control group is frozen" in service.remarks()
    assert service.act("started")["failed"] and service.act("stopped", rid="container#0")["failed"]
    service.stop()
    assert service.remains() == []


def test_shim_is_stopped(make: Make) -> None:
    """docker answers, and waits for the shim for ever: one container's stop says so, the stop of the service goes on."""
    service = make(container(stop_timeout=2), container())
    service.start()
    kill(*shims(service), number=signal.SIGSTOP)
    assert "is stopped by a signal" in service.remarks()
    for check_mode in (True, False):
        outcome = service.act("stopped", rid="container#0", check_mode=check_mode)
        assert outcome["failed"] and "kill -CONT" in outcome["msg"] and "shim" in outcome["msg"], outcome["msg"]
        assert not outcome["commands"]
    assert not service.act("stopped", check_mode=True)["failed"]
    service.stop()
    assert service.remains() == []


def test_docker_waits_for_a_stopped_shim(make: Make) -> None:
    """Somebody's docker stop hangs, and the container cannot even be looked at: the stop of the service goes on."""
    service = make(container(stop_timeout=2))
    service.start()
    kill(*shims(service), number=signal.SIGSTOP)
    words = ["docker", "--host", "unix://" + service.socket, "stop", "--time", "1", service.name()]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for(lambda: service.state() == "undef")
        service.stop()
    assert service.remains() == []


def test_start_waits_for_a_busy_docker(make: Make) -> None:
    """What a status gives up on after five seconds answers after eight: a start does not fail for that."""
    service = make(container(stop_timeout=2))
    service.start()
    asleep = shims(service)
    kill(*asleep, number=signal.SIGSTOP)
    words = ["docker", "--host", "unix://" + service.socket, "stop", "--time", "1", service.name()]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for(lambda: service.state() == "undef")
        later = threading.Timer(8, kill, asleep, {"number": signal.SIGCONT})
        later.start()
        outcome = service.act("started")
        later.join()
    # Docker may end the container after the start has seen it up: when the start looks again, or later.
    assert not outcome["failed"] or "has ended with exit code" in outcome["msg"], outcome["msg"]
    service.start()
    assert service.status()["overall"] == "up"


@pytest.mark.parametrize("stranger", [False, True])
def test_docker_stop_is_late(make: Make, monkeypatch: pytest.MonkeyPatch, stranger: bool) -> None:
    """When docker never gets a container down, the daemon is ended, and the container with it; not with somebody's in it."""
    monkeypatch.setattr(container_driver, "_COMMAND_DEADLINE", 1.0)
    service = make(container(stop_timeout=1), container())
    service.start()
    if stranger:
        service.docker("run", "--detach", "--network=none", "--name", "byhand", "tiny", "sleep", "600")
    with replaced("docker", 'case "$*" in *" stop "*) sleep 600;; esac; exec $REAL "$@"'):
        outcome = service.act("stopped", rid="container#0")
        assert outcome["failed"] and "was not done after" in outcome["msg"], outcome["msg"]
        outcome = service.act("stopped")
    assert outcome["failed"] == stranger, outcome["msg"]
    if stranger:
        assert service.daemon_pid()
        service.docker("rm", "--force", "byhand")
        service.stop()
    else:
        assert any("its containers with it" in line["text"] for line in outcome["log"])
    assert service.remains() == []
