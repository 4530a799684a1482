# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of containers, and what is right when they happen."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.tests.support import ARCHIVE, OBEDIENT, Service, container, run, wait_for

Make = Callable[..., Service]


def _resource(service: Service, index: int = 0) -> dict[str, Any]:
    return service.info()["resources"]["container#%d" % index]


def _texts(resource: dict[str, Any]) -> str:
    return "; ".join(line["text"] for line in resource["log"])


def _fails(service: Service, state: str = "started", *words: str) -> dict[str, Any]:
    outcome = service.module(state).outcome()
    assert outcome["failed"], outcome
    for word in words:
        assert word in outcome["msg"], outcome["msg"]
    return outcome


def _released(service: Service) -> None:
    outcome = service.module("stopped").outcome()
    assert not outcome["failed"] and outcome["status"]["avail"] == "down", outcome["msg"]
    assert service.remains() == []


def test_f33_failed_run_leaves_no_created_container(make: Make) -> None:
    """A command that is not there fails the first run; the corrected definition starts without a name conflict."""
    broken = make(container(command=["/nosuch"]), container())
    broken.start(rid="container#1")
    outcome = broken.module("started").outcome()
    assert outcome["failed"] and "/nosuch" in outcome["msg"]
    assert broken.docker("ps", "--all", "--format", "{{.Names}}").stdout.split() == [broken.name(1)]
    corrected = make(container(), container(), path=broken.path)
    assert corrected.start()["status"]["overall"] == "up"


def test_f34_crash_loop_is_not_up(make: Make) -> None:
    """A container that docker starts again and again is warn, a start of it fails, a stop ends the circle."""
    crash = ["sh", "-c", "test -e /crash && exit 1; trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]
    service = make(container(command=crash))
    service.start()
    service.docker("exec", service.name(), "touch", "/crash")
    service.docker("update", "--restart=always", service.name())
    service.docker("exec", service.name(), "kill", "-TERM", "1", check=False)
    wait_for(lambda: service.inspect()["State"]["Restarting"])
    assert service.info()["avail"] == "warn"
    assert "restart" in _texts(service.info()["resources"]["container#0"])
    _fails(service, "started", "code 1")
    _released(service)


def test_f36_restart_policy(running: Service) -> None:
    """A restart policy is refused in run_args; one that somebody set is reported, and taken back by a start."""
    policy = {**running.raw, "container#0": container(run_args=["--restart", "always"])}
    result = running.playbook("start", dockyard_services={running.path: policy})
    assert result.returncode != 0 and "--restart is refused" in result.stdout
    running.docker("update", "--restart=always", running.name())
    status = running.info()
    assert status["overall"] == "warn" and "restart policy" in _texts(status["resources"]["container#0"])
    outcome = running.module("started").outcome()
    assert outcome["changed"] and outcome["status"]["overall"] == "up", outcome
    assert running.inspect()["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_f38_container_that_needs_time(make: Make) -> None:
    """A container has its own stop_timeout, even when the daemon is told to end; one that is killed is said to be."""
    slow = ["sh", "-c", "trap 'sleep 3; touch /clean; exit 0' TERM; while :; do sleep 3600 & wait $!; done"]
    deaf = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
    service = make(container(command=slow, stop_timeout=30), container(command=deaf, stop_timeout=1))
    service.start()
    outcome = service.module("stopped").outcome()
    assert not outcome["failed"]
    assert [line["rid"] for line in outcome["log"] if "137" in line["text"]] == ["container#1"]
    service.start(rid="container#0")
    service.docker("exec", service.name(0), "ls", "/clean")
    os.kill(service.daemon_pid(), 15)
    wait_for(lambda: not service.daemon_pid())
    _released(service)


def test_f39_image_missing(make: Make) -> None:
    """Without registry and archive the start fails, and names the image and the ways to get it."""
    service = make(container(image="127.0.0.1:1/nosuch", image_archive=None, pull_timeout="20s"))
    _fails(service, "started", "127.0.0.1:1/nosuch", "image_archive", "dockyard.svc.docker")
    assert service.remains() == []
    service = make(container(image_archive="/srv/nosuch.tar"))
    assert _fails(service, "started", "/srv/nosuch.tar")["commands"] == []


def test_f40_tag_moved(running: Service) -> None:
    """Another image under the same name is reported with both ids, and nothing is made anew."""
    before = running.inspect()
    new = running.docker("import", "--message", "other", ARCHIVE, "tiny").stdout.partition(":")[2][:12]
    status = running.info()
    assert (status["avail"], status["overall"]) == ("up", "warn")
    assert new in _texts(status["resources"]["container#0"])
    assert before["Image"][7:19] in _texts(status["resources"]["container#0"])
    assert not running.module("restarted").outcome()["failed"]
    assert running.inspect()["Id"] == before["Id"]


def test_f41_stranger_has_our_name(running: Service) -> None:
    """A container of somebody else that has our name is reported and neither started, stopped nor removed."""
    running.docker("rm", "--force", running.name())
    running.docker("run", "--detach", "--network=none", "--name", running.name(), "tiny", "sleep", "600")
    stranger = running.inspect()["Id"]
    resource = _resource(running)
    assert resource["state"] == "down" and stranger[:12] in _texts(resource)
    _fails(running, "started", stranger[:12])
    _fails(running, "stopped", running.name())
    assert running.inspect()["State"]["Running"] and running.inspect()["Id"] == stranger


def test_f43_stop_keeps_data(make: Make) -> None:
    """What a container wrote stays; with rm: true it goes, but no volume, named or not, is removed with it."""
    keep, throw = container(run_args=["-v", "/data"]), container(rm=True, run_args=["-v", "/data"])
    service = make(keep, throw)
    service.start()
    for index in (0, 1):
        service.docker("exec", service.name(index), "touch", "/precious", "/data/precious")
    volumes = service.docker("volume", "ls", "--quiet").stdout.split()
    assert not service.module("restarted").outcome()["failed"]
    service.docker("exec", service.name(0), "ls", "/precious", "/data/precious")
    assert service.docker("exec", service.name(1), "ls", "/precious", check=False).returncode != 0
    assert set(volumes) <= set(service.docker("volume", "ls", "--quiet").stdout.split())


def test_f44_removal_that_cannot_end(make: Make) -> None:
    """A container that docker cannot remove is no container that is up: the failure says what to do."""
    service = make(container(rm=True))
    service.start()
    pinned = "%s/containers/%s/pinned" % (service.data_root, service.inspect()["Id"])
    Path(pinned).write_text("x", encoding="ascii")
    run("chattr", "+i", pinned)
    try:
        outcome = _fails(service, "stopped")
        assert "internal" not in outcome["msg"] and "rm" in outcome["msg"]
        state = service.docker("ps", "--all", "--format", "{{.State}}").stdout.strip()
        if state in ("dead", "removing"):
            assert _resource(service)["state"] == "warn"
            _fails(service, "started", "docker rm")
    finally:
        run("chattr", "-i", pinned)
    _released(service)


def test_f46_arguments_are_arguments(make: Make) -> None:
    """What looks like a shell's or docker's own in run_args and command is passed on as a word, or refused."""
    script = 'for w; do echo "[$w]"; done; trap exit TERM; sleep 3600 & wait'
    words = "sh -c '%s' x '$(touch /pwn)' ';' touch /pwn 'A=*' --privileged" % script
    service = make(container(command=words, run_args="-e A=* -e 'B=$(touch /pwn)'"))
    result = service.playbook("start")
    assert result.returncode == 0, result.stdout
    inspect = service.inspect()
    assert {"A=*", "B=$(touch /pwn)"} <= set(inspect["Config"]["Env"]) and not inspect["HostConfig"]["Privileged"]
    wait_for(lambda: "[--privileged]" in service.logs())
    assert "[$(touch /pwn)]" in service.logs() and not os.path.exists("/pwn")
    for run_args in ("-e A=1 --privileged; id", "-e A=* ; id", "--privileged id", "-v", "--volume=/../etc:/x"):
        bad = {**service.raw, "container#0": container(run_args=run_args)}
        refused = service.playbook("stop", dockyard_services={service.path: bad})
        assert refused.returncode != 0 and "run_args" in refused.stdout, run_args
    assert service.inspect()["State"]["Running"]


def test_f47_secrets(make: Make) -> None:
    """A secret reaches the container, and no output of the playbook even with -vvv, no log, no record, no error."""
    value = "s3cr3t-%d" % os.getpid()
    service = make(container(secrets={"PASSWORD": value}), container(command=["/nosuch"], secrets={"PASSWORD": value}))
    failed = service.playbook("start", "-vvv")
    assert failed.returncode != 0 and "/nosuch" in failed.stdout
    fine = service.playbook("start", "-vvv", "--diff", rid="container#0")
    assert fine.returncode == 0, fine.stdout
    assert "PASSWORD=" + value in service.docker("exec", service.name(), "env").stdout
    outputs = failed.stdout + failed.stderr + fine.stdout + fine.stderr
    # -vvv shows the variables that came with --extra-vars only as their own command line, which is not ours
    lines = [line for line in outputs.splitlines() if value in line]
    assert lines == []
    for folder in ("/var/log/dockyard", "/var/lib/dockyard", "/run/dockyard"):
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name != "x"]  # docker's own, which only root can enter
            for path in (Path(parent, name) for name in names):
                assert not path.is_file() or not path.stat().st_size or value.encode() not in path.read_bytes(), path


def test_f48_health_check_without_verdict(make: Make) -> None:
    """A health check that is starting for ever ends the start after its time; none at all is no hindrance."""
    options = ["--health-cmd", "sleep 600", "--health-timeout", "600s", "--health-interval", "200ms"]
    service = make(container(run_args=options, start_timeout="1s"), container())
    _fails(service, "started", "the health check says starting")
    outcome = service.module("started", rid="container#1").outcome()
    assert not outcome["failed"]


def test_f48b_two_controllers(make: Make) -> None:
    """Two playbooks that start one service at once both succeed, and there is one container."""
    service = make()
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _number: service.playbook("start"), range(3)))
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert sorted("changed=1" in result.stdout for result in results) == [False, False, True]
    assert service.docker("ps", "--all", "--quiet").stdout.count("\n") == 1


# Faults that the list does not name


def test_paused_container_is_stopped(running: Service) -> None:
    """A paused container is warn, and a stop ends it in its own way."""
    running.docker("pause", running.name())
    assert _resource(running)["state"] == "warn"
    _released(running)


def test_unicode_all_the_way(make: Make) -> None:
    """Text beyond ASCII passes through playbook, log and container unharmed."""
    service = make(container(environment={"GREETING": "grüß dich ✓ 漢字"}, comment="größer"))
    assert service.playbook("start").returncode == 0
    assert "GREETING=grüß dich ✓ 漢字" in service.inspect()["Config"]["Env"]
    assert "grüß" in Path(service.log).read_text(encoding="utf-8")


def test_host_name_of_300_characters(make: Make) -> None:
    """It is refused before anything is touched."""
    service = make()
    bad = {**service.raw, "container#0": container(hostname="h" * 300)}
    result = service.playbook("start", dockyard_services={service.path: bad})
    assert result.returncode != 0 and "hostname" in result.stdout
    assert service.remains() == []


@pytest.mark.usefixtures("long_settle")
def test_container_writes_control_characters(make: Make) -> None:
    """What a container writes before it ends cannot forge lines of the log nor drive a terminal."""
    words = ["sh", "-c", "printf 'x\\033[2Jy\\rz\\n2026-01-01 forged line\\n'; exit 5"]
    service = make(container(command=words))
    assert "exit code 5" in service.act("started")["msg"]
    text = Path(service.log).read_text(encoding="utf-8")
    assert "\033" not in text and not any(line.startswith("2026-01-01 forged") for line in text.splitlines())


def test_image_deleted_under_a_stopped_container(running: Service) -> None:
    """The container still starts from its own layers, and the loss is reported."""
    running.docker("stop", running.name())
    running.docker("rmi", "--force", "tiny")
    assert not running.module("started").outcome()["failed"]
    assert "not there any more" in _texts(_resource(running))


def test_second_container_with_our_labels(running: Service) -> None:
    """A user of the socket can copy our labels: the recorded id decides, and the other one keeps the daemon."""
    labels = [w for item in running.inspect()["Config"]["Labels"].items() for w in ("--label", "%s=%s" % item)]
    running.docker("run", "--detach", "--network=none", "--name", "forged", *labels, "tiny", *OBEDIENT)
    assert _resource(running)["facts"]["id"] == running.inspect()["Id"]
    _fails(running, "stopped", "forged")
    assert running.docker("ps", "--format", "{{.Names}}").stdout.split() == ["forged"]


def test_playbook_docker_returns_the_exit_code(running: Service) -> None:
    """The playbook docker runs on the service's own socket, and its failure is the command's."""
    result = running.playbook("docker", docker_args="exec {container#0} sh -c 'exit 7'")
    assert result.returncode != 0 and "7" in result.stdout
    assert json.loads(subprocess.check_output(["docker", "-H", "unix://" + running.socket, "inspect", running.name()]))
