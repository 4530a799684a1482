# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From every half-way state: the status is true, a start brings the service up, a stop leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from typing import Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import (
    OBEDIENT,
    Module,
    Service,
    alive,
    container,
    kill,
    run,
    wait_for,
)

LABELS = ("id", "path", "rid")


def daemon_only(service: Service) -> None:
    """The daemon runs, and never had a container."""
    options = {"service": service.path, "data_root": service.data_root, "state": "started"}
    assert Module("dockerd", options).result()["changed"]


def created(service: Service) -> None:
    """The container was created and not started."""
    service.start()
    labels = service.inspect()["Config"]["Labels"]
    service.docker("rm", "--force", service.name())
    options = [word for name, value in labels.items() for word in ("--label", "%s=%s" % (name, value))]
    service.docker("create", "--network", "none", "--name", service.name(), *options, "tiny", *OBEDIENT)


def exited(service: Service) -> None:
    """The container was stopped behind our back."""
    service.start()
    service.docker("stop", service.name())


def paused(service: Service) -> None:
    """The container is paused."""
    service.start()
    service.docker("pause", service.name())


def restarting(service: Service) -> None:
    """Somebody gave the container a restart policy, and it crashes in a circle."""
    service.start()
    service.docker("exec", service.name(), "touch", "/crash")
    service.docker("update", "--restart=always", service.name())
    service.docker("exec", service.name(), "kill", "-TERM", "1", check=False)
    wait_for(lambda: service.inspect()["State"]["Restarting"])


def removed(service: Service) -> None:
    """The container was removed behind our back."""
    service.start()
    service.docker("rm", "--force", service.name())


def orphaned(service: Service) -> None:
    """The daemon was killed, the container lives on."""
    service.start()
    service.kill_daemon()


def all_killed(service: Service) -> None:
    """The daemon and everything of it were killed at once, as by a power cut."""
    service.start()
    kill(service.daemon_pid(), *service.helpers(), service.container_pid())


def containerd_lost(service: Service) -> None:
    """Everything was killed, and what containerd knew is lost."""
    all_killed(service)
    shutil.rmtree(service.exec_root + "/containerd/daemon", ignore_errors=True)


def hung(service: Service) -> None:
    """The daemon is stopped by a signal."""
    service.start()
    kill(service.daemon_pid(), number=signal.SIGSTOP)


def socket_removed(service: Service) -> None:
    """The socket file of a running daemon was removed."""
    service.start()
    os.unlink(service.socket)


STATES: dict[Callable[[Service], None], tuple[str, bool]] = {
    # the state that is true of the container, and whether a start leads out of it without a stop before
    daemon_only: ("down", True),
    created: ("down", True),
    exited: ("down", True),
    paused: ("warn", True),
    restarting: ("warn", True),
    removed: ("down", True),
    orphaned: ("warn", True),
    all_killed: ("down", True),
    containerd_lost: ("down", True),
    hung: ("undef", False),
    socket_removed: ("undef", False),
}
CRASHES = ["sh", "-c", "test -e /crash && exit 1; trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]


def stopped(service: Service) -> None:
    """A stop leaves nothing, and a second one has nothing to do."""
    outcome = service.stop()
    assert outcome["changed"] and outcome["status"]["avail"] == "down", outcome
    assert service.remains() == []
    outcome = service.stop()
    assert not outcome["changed"] and outcome["commands"] == []


@pytest.mark.parametrize("provoke", [p for p in STATES if p is not restarting], ids=lambda provoke: provoke.__name__)
def test_stop_and_start(make: Callable[..., Service], provoke: Callable[[Service], None]) -> None:
    """A stop leaves nothing, and the next start is as any other. A start brings it up, or says what to do."""
    service = make(container(start_timeout=30))
    state, startable = STATES[provoke]
    provoke(service)
    assert service.state() == state, service.status()
    stopped(service)
    provoke(service)
    outcome = service.act("started")
    assert outcome["failed"] != startable, outcome
    if startable:
        assert outcome["status"]["avail"] == "up", outcome
        assert service.inspect()["State"]["Status"] == "running"
        assert not service.start()["changed"]
    else:
        assert outcome["commands"] == [] and "\n" not in outcome["msg"]
        assert service.state() == state
    stopped(service)


@pytest.mark.parametrize("state", ["started", "stopped"])
def test_one_that_docker_restarts_in_a_circle(make: Callable[..., Service], state: str) -> None:
    """It is no container that is up: the start says how it ends. The stop ends it."""
    service = make(container(command=CRASHES))
    restarting(service)
    assert service.state() == STATES[restarting][0], service.status()
    if state == "started":
        outcome = service.act("started")
        assert outcome["failed"] and "code 1" in outcome["msg"], outcome["msg"]
        assert outcome["status"]["avail"] == "down"
        assert service.inspect()["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
        service.stop()
        assert service.remains() == []
    else:
        stopped(service)


@pytest.fixture(scope="module")
def other() -> Iterator[Service]:
    """Another service that runs all the time and must notice nothing."""
    service = Service("test/other", container(run_args=["--publish", "8091:80"]))
    service.start()
    before = (service.daemon_pid(), service.container_pid())
    yield service
    assert (service.daemon_pid(), service.container_pid()) == before
    assert service.status()["overall"] == "up"
    service.stop()
    service.wipe()


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


PID_FILES: dict[str, Callable[[Service, Service], object]] = {
    "innocent pid": lambda service, other: _write(service.pid_file, "%d\n" % os.getpid()),
    "pid of another service's daemon": lambda service, other: _write(service.pid_file, str(other.daemon_pid())),
    "pid of nobody": lambda service, other: _write(service.pid_file, "4194000"),
    "garbage": lambda service, other: _write(service.pid_file, "12 34\nx"),
    "empty": lambda service, other: _write(service.pid_file, ""),
    "fifo": lambda service, other: os.mkfifo(service.pid_file),
    "dangling link": lambda service, other: os.symlink("/nowhere", service.pid_file),
    "link to a file of others": lambda service, other: os.symlink("/etc/hostname", service.pid_file),
    "folder": lambda service, other: os.mkdir(service.pid_file),
}


@pytest.mark.parametrize("spoil", PID_FILES.values(), ids=PID_FILES)
def test_stale_pid_file(service: Service, other: Service, spoil: Callable[[Service, Service], object]) -> None:
    """A pid file proves nothing: status is down, a start works, a stop ends nobody else."""
    os.makedirs(os.path.dirname(service.pid_file), exist_ok=True)
    daemon = other.daemon_pid()
    spoil(service, other)
    assert service.status()["overall"] == "down"
    assert service.start()["status"]["overall"] == "up"
    service.stop()
    assert service.remains() == []
    spoil(service, other)
    service.stop()
    assert service.remains() == []
    assert alive(daemon) and os.path.getsize("/etc/hostname") > 0


def _listener(path: str) -> None:
    """A socket file that nobody listens on any more."""
    run("python3", "-c", "import socket,sys; s = socket.socket(1); s.bind(sys.argv[1]); s.listen()", path)


SOCKETS: dict[str, Callable[[Service, Service], object]] = {
    "dead socket": lambda service, other: _listener(service.socket),
    "plain file": lambda service, other: _write(service.socket, "x"),
    "fifo": lambda service, other: os.mkfifo(service.socket),
    "link to another service's socket": lambda service, other: os.symlink(other.socket, service.socket),
    "dangling link": lambda service, other: os.symlink("/nowhere", service.socket),
    "folder": lambda service, other: os.mkdir(service.socket),
}


@pytest.mark.parametrize("name", SOCKETS)
def test_stale_socket(service: Service, other: Service, name: str) -> None:
    """What lies where the socket should be is not taken for a daemon, and is replaced when nobody listens behind it."""
    os.makedirs(os.path.dirname(service.socket), exist_ok=True)
    SOCKETS[name](service, other)
    if name == "link to another service's socket":
        assert service.state() == "undef"
        outcome = service.act("started")
        assert outcome["failed"] and "not the service's daemon" in outcome["msg"] and outcome["commands"] == []
        outcome = service.act("stopped")
        assert outcome["failed"], outcome
        os.unlink(service.socket)
    else:
        assert service.status()["overall"] == "down", service.status()
    assert service.start()["status"]["overall"] == "up"
    service.stop()
    assert service.remains() == []


def test_socket_held_by_a_stranger(service: Service) -> None:
    """Somebody else listens on our socket: nothing is guessed, and he is named and left alone."""
    os.makedirs(os.path.dirname(service.socket), exist_ok=True)
    code = "import socket,sys,time; s = socket.socket(1); s.bind(sys.argv[1]); s.listen(); time.sleep(600)"
    stranger = subprocess.Popen(["python3", "-c", code, service.socket])
    try:
        wait_for(lambda: os.path.exists(service.socket))
        time.sleep(0.2)
        assert service.state() == "undef"
        for state in ("started", "stopped"):
            outcome = service.act(state)
            assert outcome["failed"] and "pid %d" % stranger.pid in outcome["msg"], outcome["msg"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    os.unlink(service.socket)
    assert service.status()["overall"] == "down"


@pytest.mark.parametrize("verb", ["started", "stopped"])
def test_leftover_bridge_and_rules(make: Callable[..., Service], verb: str) -> None:
    """Bridge and rules that a lost daemon left are used again by a start, and taken away by a stop."""
    service = make(container(run_args=["-p", "8092:80"], command=["sh", "-c", "trap exit TERM; httpd -f -p 80 & wait"]))
    service.start()
    kill(service.daemon_pid(), *service.helpers(), service.container_pid())
    assert service.bridge in os.listdir("/sys/class/net")
    assert service.status()["avail"] == "down"
    assert not service.act(verb)["failed"]
    if verb == "started":
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen("http://127.0.0.1:8092/nosuch", timeout=10)
        service.stop()
    assert service.remains() == []


def test_leftover_rules_alone(make: Callable[..., Service]) -> None:
    """Rules without their bridge, as after somebody deleted it, are gone after a stop."""
    service = make(container(netns="bridge"))
    service.start()
    kill(service.daemon_pid(), *service.helpers(), service.container_pid())
    run("ip", "link", "delete", "dev", service.bridge)
    service.stop()
    assert service.remains() == []


@pytest.mark.parametrize("spoil", ["delete table ip %s", "flush table ip %s", "flush chain ip %s isolation"])
def test_rules_flushed_by_a_reload_of_the_firewall(make: Callable[..., Service], spoil: str) -> None:
    """The status tells that the rules are gone, a start brings them back and touches nothing else."""
    service = make(container(netns="bridge"))
    service.start()
    before = (service.daemon_pid(), service.container_pid())
    rules = run("nft", "list", "table", "ip", service.table).stdout
    run("nft", spoil % service.table)
    status = service.status()
    assert (status["avail"], status["overall"]) == ("up", "warn")
    assert service.table in status["daemon"]["problems"][0]
    outcome = service.start()
    assert outcome["changed"] and [command["cmd"].split()[0] for command in outcome["commands"]] == ["nft"]
    assert run("nft", "list", "table", "ip", service.table).stdout == rules
    assert service.status()["overall"] == "up"
    assert (service.daemon_pid(), service.container_pid()) == before
    assert not service.start()["changed"]


@pytest.mark.parametrize("spoil", ["link set down dev", "address flush dev"])
def test_bridge_without_its_address_or_down(make: Callable[..., Service], spoil: str) -> None:
    """The containers have no network then: it is told, and a start gives the bridge what it had, whatever the books say."""
    service = make(container(netns="bridge"))
    service.start()
    gateway = service.inspect()["NetworkSettings"]["Gateway"]
    run("ip", *spoil.split(), service.bridge)
    if "set" in spoil:
        os.unlink("/var/lib/dockyard/subnets.json")
    assert "a start brings it back" in service.status()["daemon"]["problems"][0]
    planned = service.act("started", check_mode=True)
    outcome = service.start()
    assert [one["cmd"] for one in planned["commands"]] == [one["cmd"] for one in outcome["commands"]]
    assert service.status()["overall"] == "up" and not service.start()["changed"]
    shown = run("ip", "-brief", "address", "show", "dev", service.bridge).stdout
    assert shown.count("10.199.") == 1 and gateway + "/" in shown
    service.docker("exec", service.name(), "sh", "-c", "ping -c 1 -W 2 " + gateway)


def test_books_of_the_subnets_lost(make: Callable[..., Service]) -> None:
    """The network that the bridge has is the service's, also when nothing says so any more."""
    service = make(container(netns="bridge"))
    service.start()
    before = service.inspect()["NetworkSettings"]["Gateway"]
    os.unlink("/var/lib/dockyard/subnets.json")
    service.kill_daemon()
    service.start()
    assert service.inspect()["NetworkSettings"]["Gateway"] == before
    assert run("ip", "-brief", "address", "show", "dev", service.bridge).stdout.count("10.199.") == 1
    assert service.status()["overall"] == "up"


def test_daemon_that_was_up_stays_up_when_a_start_fails(make: Callable[..., Service]) -> None:
    """A start that mends the rules and then fails takes back its own part, and not the daemon that was up before."""
    service = make(container(netns="bridge", image="nosuch", image_archive=None, image_pull_policy="never"))
    options = {"service": service.path, "data_root": service.data_root, "state": "started", "bridge": True}
    assert Module("dockerd", options).result()["changed"]
    pid = service.daemon_pid()
    run("nft", "delete table ip %s" % service.table)
    assert service.act("started")["failed"]
    assert service.daemon_pid() == pid


def test_bridge_deleted_under_a_running_service(make: Callable[..., Service]) -> None:
    """The status tells it, and a restart gives the containers a network again."""
    service = make(container(netns="bridge"))
    service.start()
    run("ip", "link", "delete", "dev", service.bridge)
    assert "restart the service" in service.status()["daemon"]["problems"][0]
    assert service.restart()["status"]["overall"] == "up"
    service.stop()
    assert service.remains() == []


def test_leftover_exec_root(running: Service) -> None:
    """An exec root with network namespaces mounted in it, and a data root mounted on itself, are cleared away."""
    kill(running.daemon_pid(), *running.helpers(), running.container_pid())
    os.makedirs(running.exec_root + "/netns", exist_ok=True)
    open(running.exec_root + "/netns/left", "w", encoding="ascii").close()
    run("mount", "--bind", "/proc/self/ns/net", running.exec_root + "/netns/left")
    run("mount", "--bind", running.data_root, running.data_root)
    assert running.status()["avail"] == "down"
    running.stop()
    assert running.remains() == []


@pytest.mark.parametrize("spoil", ["killed", "hung"])
def test_stop_of_one_container_without_its_daemon(make: Callable[..., Service], spoil: str) -> None:
    """Whoever stops one container by its rid does not lose the other one, even when the daemon is dead or hung."""
    service = make(container(optional=True), container())
    service.start()
    keep = service.container_pid(1)
    daemon = service.daemon_pid()
    kill(daemon, number=signal.SIGKILL if spoil == "killed" else signal.SIGSTOP)
    service.act("stopped", rid="container#0")
    assert alive(keep)
    if spoil == "hung":
        kill(daemon, number=signal.SIGCONT)
    service.stop()
    assert service.remains() == []
