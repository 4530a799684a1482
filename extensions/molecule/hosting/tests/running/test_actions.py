"""Actions on one service: what they do to it, and that the others never notice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ONE = "app1-prd/svc1"
SELECT = ("-e", "svc=" + ONE)


@pytest.fixture
def others(teams):
    return [service for service in teams if service != ONE]


@pytest.fixture
def stopped(play):
    """The service is stopped during the test, and started after it."""
    play("stop", *SELECT)
    yield
    play("start", *SELECT)


def test_stopping_the_last_container_takes_the_daemon_down_and_leaves_the_others_alone(play, machine, others):
    before, container = machine.life(others), machine.containers(ONE)
    run = play("stop", *SELECT, "-e", "rid=container#0")
    assert run.changed
    assert ONE not in machine.daemons()
    assert machine.life(others) == before
    status = run.result["services"][ONE]["status"]
    assert status["overall"] == "down"
    assert status["daemon"]["state"] == "down"
    assert set(run.result["services"][ONE]["evidence"]) == {"container#0", "docker daemon"}
    assert "no more container handled by the docker daemon: it is shut down" in run.text

    again = play("stop", *SELECT)
    assert not again.changed
    assert again.commands(ONE) == []

    tree = play("status", *SELECT).result["lines"]
    assert re.fullmatch(r"app1-prd/svc1 +down", tree[0])
    assert re.fullmatch(r" +# docker daemon is not running", tree[-1])

    run = play("start", *SELECT)
    assert run.changed
    (old,), (new,) = container.values(), machine.containers(ONE).values()
    assert new["Id"] == old["Id"]
    assert new["State"]["StartedAt"] > old["State"]["StartedAt"]
    assert any(command.endswith("docker.sock start " + old["Id"]) for command in run.commands(ONE))
    assert machine.life(others) == before


def test_starting_what_is_up_runs_no_command(play, machine, teams):
    before = machine.life(teams)
    (bytecode,) = Path("/run/dockyard/private").glob("bytecode-*")
    kept = bytecode.stat()
    run = play("start", "-e", "svc=app*-*/*")
    assert not run.changed
    assert all(run.commands(service) == [] for service in teams)
    assert machine.life(teams) == before
    # Nor was anything compiled: earlier starts have kept it.
    assert bytecode.stat().st_ino == kept.st_ino
    assert (kept.st_mode, kept.st_uid) == (0o100600, 0)


def test_restart_keeps_the_container_and_leaves_the_others_alone(play, machine, others):
    before, mine = machine.life(others), machine.life([ONE])[ONE]
    assert play("restart", *SELECT).changed
    now = machine.life([ONE])[ONE]
    assert now["daemon"] != mine["daemon"]
    ((identity, pid, began, _restarts),) = mine["containers"].values()
    ((identity_now, pid_now, began_now, _restarts),) = now["containers"].values()
    assert identity_now == identity
    assert pid_now != pid
    assert began_now > began
    assert machine.life(others) == before


def test_docker_starts_the_daemon_of_a_service_that_is_stopped(play, machine, stopped):
    run = play("docker", *SELECT, "-e", "docker_args=ps -a")
    assert run.changed
    assert "Exited (0)" in run.text  # it ended by itself when it was asked to
    assert ONE in machine.daemons()
    play("stop", *SELECT)
    assert ONE not in machine.daemons()


@pytest.fixture
def neighbour(machine, tmp_path):
    """The same command line in another pid namespace, as the daemon of a system container on this machine has it."""
    words = Path("/proc/%d/cmdline" % machine.daemons()[ONE].pid).read_text().split("\0")[1:-1]
    program = tmp_path / "dockerd"  # a Python by this name, because it sleeps whatever its arguments are
    shutil.copy(os.path.realpath("/usr/bin/python3"), program)
    argv = ["unshare", "--pid", "--fork", "--kill-child", str(program), "-c", "import time; time.sleep(600)", *words]
    with subprocess.Popen(argv) as process:
        yield process
        process.kill()


def test_the_same_service_of_another_node_on_this_machine_is_left_alone(play, neighbour):
    play("stop", *SELECT)
    assert play("status", *SELECT).result["lines"][0].split() == [ONE, "down"]
    play("start", *SELECT)
    assert play("status", *SELECT).result["lines"][0].split() == [ONE, "up"]
    assert neighbour.poll() is None


def rehearsed(play, machine, books, action, service):
    """Run an action in check mode, then for real; both, after a look that the first has touched nothing."""
    before = books(), machine.life(machine.daemons())
    imagined = play(action, "-e", "svc=" + service, "--check")
    assert (books(), machine.life(machine.daemons())) == before
    real = play(action, "-e", "svc=" + service)
    assert imagined.changed
    assert real.changed
    return imagined.commands(service), real.commands(service)


@pytest.mark.parametrize("action", ["stop", "start", "restart"])
def test_check_mode_tells_the_commands_and_does_nothing(play, machine, books, action):
    """In this order the three find what they need: a service that is up, one that is down, one that is up."""
    imagined, real = rehearsed(play, machine, books, action, ONE)
    assert imagined == real != []


def test_check_mode_tells_what_a_first_start_does(play, machine, books):
    imagined, real = rehearsed(play, machine, books, "start", "net/blue")
    assert imagined == real
    assert any(command.startswith("nft ") for command in real)
    imagined, real = rehearsed(play, machine, books, "stop", "net/blue")
    assert imagined == real != []
    assert "net/blue" not in machine.daemons()
