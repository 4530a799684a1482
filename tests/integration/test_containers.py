# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keywords of a container do, and when a container counts as up."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import ARCHIVE, Service, container, kill, processes, wait_for

Make = Callable[..., Service]


# Up or not


@pytest.mark.usefixtures("long_settle")
@pytest.mark.parametrize("lifetime", ["0", "0.1"])
def test_container_that_ends_at_once(make: Make, lifetime: str) -> None:
    """It fails the start with its exit code and its last line, and neither container nor daemon stays."""
    service = make(container(command=["sh", "-c", "echo what hurts; sleep %s; exit 3" % lifetime]))
    outcome = service.act("started")
    assert outcome["failed"] and "exit code 3" in outcome["msg"] and "what hurts" in outcome["msg"], outcome["msg"]
    assert outcome["status"]["avail"] == "down"
    assert service.remains() == []


def test_command_that_is_not_there(make: Make) -> None:
    """Docker's own words come with the failure, and the name is free for the next try."""
    service = make(container(command=["/nosuch"]))
    for _try in range(2):
        outcome = service.act("started")
        assert outcome["failed"] and "/nosuch" in outcome["msg"] and "Conflict" not in outcome["msg"]
    assert service.remains() == []


@pytest.mark.usefixtures("long_settle")
def test_failure_keeps_what_was_up(make: Make) -> None:
    """When a second container fails, the first, which was up before, stays up, and so does the daemon."""
    service = make(container(), container(command=["sh", "-c", "exit 1"]))
    service.start(rid="container#0")
    daemon, pid = service.daemon_pid(), service.container_pid()
    assert service.act("started")["failed"]
    assert (service.daemon_pid(), service.container_pid()) == (daemon, pid)
    assert service.docker("ps", "--all", "--quiet").stdout.count("\n") == 1


@pytest.mark.usefixtures("long_settle")
def test_rollback_false(make: Make) -> None:
    """What was started stays when the definition says so."""
    service = make(container(), container(command=["sh", "-c", "exit 1"]), rollback=False)
    assert service.act("started")["failed"]
    assert service.state("container#0") == "up"


HEALTHY = ["--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "1"]
SOON_OK = ["sh", "-c", "trap 'exit 0' TERM; sleep 0.5; touch /ok; while :; do sleep 3600 & wait; done"]


def test_health_check(make: Make) -> None:
    """A start waits until the health check agrees; a container that turns unhealthy later is no longer up."""
    options = [*HEALTHY, "--health-start-period", "20s"]
    service = make(container(command=SOON_OK, run_args=options))
    service.start()
    assert service.inspect()["State"]["Health"]["Status"] == "healthy"
    service.docker("exec", service.name(), "sh", "-c", "rm /ok || busybox rm /ok")
    wait_for(lambda: service.inspect()["State"]["Health"]["Status"] == "unhealthy")
    assert service.status()["overall"] == "warn" and "unhealthy" in service.remarks()


def test_unhealthy(make: Make) -> None:
    """An unhealthy container fails the start and is taken back."""
    options = ["--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "1"]
    service = make(container(run_args=options))
    outcome = service.act("started")
    assert outcome["failed"] and "unhealthy" in outcome["msg"]
    assert service.remains() == []


def test_health_starting_for_ever(make: Make) -> None:
    """A health check that never comes to a verdict ends the start after start_timeout."""
    options = ["--health-cmd", "sleep 600", "--health-interval", "200ms", "--health-timeout", "600s"]
    service = make(container(run_args=options, start_timeout=2))
    message = service.act("started")["msg"]
    assert "is not up after" in message and "the health check says starting" in message, message
    assert service.remains() == []


# Images


def test_saved_archive(make: Make) -> None:
    """An archive made by docker save is loaded when the image is missing."""
    first = make()
    first.start()
    first.docker("save", "--output", "/srv/saved.tar", "tiny")
    first.stop()
    service = make(container(image_archive="/srv/saved.tar"))
    outcome = service.start()
    assert any(" load " in command["cmd"] for command in outcome["commands"])
    service.docker("rm", "--force", service.name())
    assert not any(" load " in command["cmd"] for command in service.start()["commands"])
    wrong = make(container(image="other", image_archive="/srv/saved.tar"))
    outcome = wrong.act("started")
    assert outcome["failed"] and "holds no image other" in outcome["msg"]
    assert wrong.remains() == []


@pytest.mark.parametrize(
    "content", [None, b"", b"no tar", b"\x1f\x8b broken"], ids=["none", "empty", "text", "torn gzip"]
)
def test_bad_archive(make: Make, content: bytes | None) -> None:
    """An archive that is not there or no archive is refused before anything is changed."""
    path = "/srv/bad.tar"
    Path(path).unlink(missing_ok=True)
    if content is not None:
        Path(path).write_bytes(content)
    service = make(container(image_archive=path))
    outcome = service.act("started")
    assert outcome["failed"] and path in outcome["msg"] and outcome["commands"] == [], outcome
    assert service.remains() == []


def test_torn_archive(make: Make) -> None:
    """An archive that breaks off half way fails with docker's own words."""
    torn = Path("/srv/torn.tar")
    torn.write_bytes(Path(ARCHIVE).read_bytes()[:600000])
    service = make(container(image_archive=str(torn)))
    outcome = service.act("started")
    assert outcome["failed"] and "torn.tar" in outcome["msg"]
    assert service.remains() == []


@pytest.mark.parametrize("policy", ["once", "always", "never"])
def test_image_missing_without_registry(make: Make, policy: str) -> None:
    """The failure names the image and what to do, and nothing stays."""
    service = make(container(image="127.0.0.1:1/nosuch", image_archive=None, image_pull_policy=policy, pull_timeout=30))
    outcome = service.act("started")
    assert outcome["failed"] and "127.0.0.1:1/nosuch" in outcome["msg"], outcome["msg"]
    assert service.remains() == []


def test_image_deleted_under_a_stopped_container(make: Make) -> None:
    """The container still starts, because docker keeps its layers, and the status says that the image is gone."""
    service = make(container(), container(image="other"))
    service.start(rid="container#0")
    service.docker("rmi", "--force", "tiny")
    service.stop(rid="container#0")
    service.start(rid="container#0")
    assert service.state() == "up" and "not there any more" in service.remarks()


def test_moved_tag(running: Service) -> None:
    """Another image under the same name is reported, and the container is left as it is."""
    before = running.inspect()["Id"]
    running.docker("import", "--message", "another", ARCHIVE, "tiny")
    status = running.status()
    assert status["avail"] == "up" and status["overall"] == "warn" and "instead of" in running.remarks()
    assert not running.start()["changed"]
    running.restart()
    assert running.inspect()["Id"] == before


# What is given to the container


def test_rm(make: Make) -> None:
    """rm: true gives a new container on each start and leaves none after a stop."""
    service = make(container(rm=True))
    service.start()
    first = service.inspect()["Id"]
    service.docker("exec", service.name(), "touch", "/gone")
    service.restart()
    assert service.inspect()["Id"] != first
    assert service.docker("exec", service.name(), "ls", "/gone", check=False).returncode != 0
    service.stop()
    assert os.listdir(service.data_root + "/containers") == []


def test_rm_after_a_crash(make: Make) -> None:
    """rm: true also removes a container that ended by itself."""
    service = make(container(rm=True))
    service.start()
    service.docker("stop", service.name())
    service.stop()
    assert os.listdir(service.data_root + "/containers") == []


def _namespace(pid: int | str) -> str:
    return os.readlink("/proc/%s/ns/net" % pid)


def test_networks(make: Make) -> None:
    """host is the node's network, none is empty, container#0 is that container's, bridge is the service's own."""
    service = make(
        container(netns="bridge"), container(netns="host"), container(netns="none"), container(netns="container#0")
    )
    service.start()
    bridged, host, nothing, shared = (_namespace(service.container_pid(index)) for index in range(4))
    assert host == _namespace("self") and shared == bridged and len({bridged, host, nothing}) == 3
    assert service.inspect(0)["NetworkSettings"]["IPAddress"].startswith("10.199.")
    assert "docker0" not in os.listdir("/sys/class/net")
    service.stop()
    assert service.remains() == []


def test_two_bridges_are_apart(make: Make) -> None:
    """Two services have different addresses, and one does not reach the other but by its published port."""
    web = ["sh", "-c", "trap exit TERM; httpd -f -p 80 -h /bin & wait"]
    left, right = make(container(command=web, run_args=["-p", "8093:80"])), make(container(netns="bridge"))
    left.start()
    right.start()
    address = left.inspect()["NetworkSettings"]["IPAddress"]
    assert address != right.inspect()["NetworkSettings"]["IPAddress"]
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")

    def reaches(host: str, port: int) -> bool:
        line = "echo GET /nosuch | busybox nc -w 2 %s %d" % (host, port)
        return "HTTP/1." in right.docker("exec", right.name(), "sh", "-c", line, check=False).stdout

    assert not reaches(address, 80)
    wait_for(lambda: reaches(right.inspect()["NetworkSettings"]["Gateway"], 8093))
    right.restart()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen("http://127.0.0.1:8093/nosuch", timeout=10)


def test_environment_volumes_devices(make: Make) -> None:
    """The container sees what the keywords say, words with spaces, quotes and shell signs as they are written."""
    hostile = {"PLAIN": "x", "SPACES": "a  b", "SIGNS": "$(id); `id` * \"'", "EMPTY": "", "WORD": "grün ✓"}
    volumes = ["/srv/shared:/shared", "/srv/shared:/readonly:ro", "named:/named"]
    os.makedirs("/srv/shared", exist_ok=True)
    service = make(
        container(
            environment=hostile,
            volume_mounts=volumes,
            devices=["/dev/null:/dev/xnull:r"],
            hostname="h" * 63,
            user="1:1",
        )
    )
    service.start()
    inspect = service.inspect()
    for name, value in hostile.items():
        assert "%s=%s" % (name, value) in inspect["Config"]["Env"]
    assert inspect["Config"]["Hostname"] == "h" * 63
    assert "uid=1 gid=1" in service.docker("exec", service.name(), "id").stdout
    assert service.docker("exec", "--user", "0", service.name(), "touch", "/readonly/x", check=False).returncode != 0
    service.docker("exec", "--user", "0", service.name(), "touch", "/shared/x", "/named/x")
    assert os.path.exists("/srv/shared/x")
    service.docker("exec", service.name(), "ls", "/dev/xnull")


def test_hostname_too_long(make: Make) -> None:
    """A host name of 255 characters is accepted by docker or refused with its words; it is never half done."""
    service = make(container(hostname="h" * 255))
    outcome = service.act("started")
    assert outcome["failed"] and service.name() in outcome["msg"], outcome["msg"]
    assert service.remains() == []


def test_hostile_command_is_no_shell(make: Make) -> None:
    """What looks like shell code is an argument and nothing else."""
    words = ["sh", "-c", 'for w; do echo "[$w]"; done; trap exit TERM; sleep 3600 & wait', "x"]
    hostile = ["$(touch /pwn)", "; touch /pwn", "`touch /pwn`", "*", "--privileged", "a\nb"]
    service = make(container(command=words + hostile))
    service.start()
    wait_for(lambda: service.logs().count("[") >= len(hostile))
    assert service.logs() == "".join("[%s]\n" % word for word in hostile)
    assert not os.path.exists("/pwn") and not service.inspect()["HostConfig"]["Privileged"]


def test_secrets_stay_secret(make: Make) -> None:
    """The container gets the value; no result, log file or command line ever holds it."""
    value = "s3cr3t-%s" % os.getpid()
    service = make(container(secrets={"PASSWORD": value}))
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            seen.update(" ".join(argv) for _pid, argv in processes())
            time.sleep(0.003)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outcomes = [service.act(state) for state in ("started", "restarted", "stopped")]
    finally:
        ended.set()
        watcher.join()
    assert not any(outcome["failed"] for outcome in outcomes)
    assert any("--env PASSWORD" in line for line in seen), "the command was never seen"
    assert not any(value in line for line in seen)
    assert value not in json.dumps(outcomes)
    for folder in ("/var/log/dockyard", "/var/lib/dockyard", "/run/dockyard"):
        for parent, _folders, names in os.walk(folder):
            for name in names:
                assert value.encode() not in Path(parent, name).read_bytes(), name
    service.start()
    assert service.docker("exec", service.name(), "env").stdout.count("PASSWORD=" + value) == 1


# What a definition says about resources


@pytest.mark.usefixtures("long_settle")
def test_optional(make: Make) -> None:
    """The failure of an optional container does not fail the start, and counts in overall only."""
    service = make(container(), container(command=["sh", "-c", "exit 1"], optional=True), container())
    status = service.start()["status"]
    assert (status["avail"], status["overall"]) == ("up", "warn")
    assert [item["state"] for item in status["resources"].values()] == ["up", "down", "up"]
    service.stop()
    assert service.remains() == []


def test_disable_and_tags(make: Make) -> None:
    """A disabled container and one tagged noaction are left alone; nostatus is n/a and still acted on."""
    service = make(container(), container(disable=True), container(tags="noaction"), container(tags="nostatus"))
    status = service.start()["status"]
    assert [item["state"] for item in status["resources"].values()] == ["up", "n/a", "down", "n/a"]
    assert status["avail"] == "up"
    assert sorted(service.docker("ps", "--format", "{{.Names}}").stdout.split()) == [service.name(0), service.name(3)]
    service.stop()
    assert service.remains() == []


def test_standby(make: Make) -> None:
    """A standby container stays up when the service stops, and its daemon with it."""
    service = make(container(), container(standby=True))
    service.start()
    assert service.state("container#1") == "stdby up"
    status = service.stop()["status"]
    assert [item["state"] for item in status["resources"].values()] == ["down", "stdby up"]
    assert service.daemon_pid() and service.docker("ps", "--format", "{{.Names}}").stdout.split() == [service.name(1)]


def test_numeric_order(make: Make) -> None:
    """container#2 starts before container#10 and stops after it."""
    service = make(**{"container#0": container(), "container#2": container(), "container#10": container()})

    def order(outcome: dict[str, Any], word: str) -> list[str]:
        return [command["rid"] for command in outcome["commands"] if " %s " % word in command["cmd"]]

    assert order(service.start(), "run") == ["container#0", "container#2", "container#10"]
    assert order(service.stop(), "stop") == ["container#10", "container#2", "container#0"]


def test_rid_selects(make: Make) -> None:
    """One container stops while the other and the daemon go on; the last one takes the daemon down."""
    service = make(container(), container())
    service.start()
    daemon = service.daemon_pid()
    status = service.stop(rid="container#0")["status"]
    assert (status["avail"], service.daemon_pid()) == ("warn", daemon)
    service.stop(rid="container#1")
    assert service.remains() == []


# Strangers


def test_stranger_with_our_name(make: Make) -> None:
    """A container that only has the right name is named, and never touched."""
    service = make(container(), container())
    service.start(rid="container#0")
    service.docker("run", "--detach", "--network", "none", "--name", service.name(1), "tiny", "sleep", "600")
    stranger = service.inspect(1)
    assert service.state("container#1") == "down" and "taken by" in service.remarks("container#1")
    outcome = service.act("started")
    assert outcome["failed"] and stranger["Id"][:12] in outcome["msg"]
    outcome = service.act("stopped")
    assert outcome["failed"] and service.name(1) in outcome["msg"], outcome["msg"]
    assert service.inspect(1)["State"]["Pid"] == stranger["State"]["Pid"]


def test_forged_labels(make: Make) -> None:
    """A second container that carries our labels is not taken for ours: the recorded id decides."""
    service = make()
    service.start()
    ours = service.inspect()
    options = [word for item in ours["Config"]["Labels"].items() for word in ("--label", "%s=%s" % item)]
    service.docker("run", "--detach", "--network", "none", "--name", "forged", *options, "tiny", "sleep", "600")
    assert service.status()["resources"]["container#0"]["facts"]["id"] == ours["Id"]
    outcome = service.act("stopped")
    assert outcome["failed"] and "forged" in outcome["msg"]
    assert service.docker("ps", "--format", "{{.Names}}").stdout.split() == ["forged"]


def test_renamed(running: Service) -> None:
    """A container of ours that somebody renamed is still ours."""
    running.docker("rename", running.name(), "other")
    assert running.state() == "up"
    assert not running.start()["changed"]
    for verb in ("restarted", "stopped"):
        planned = running.act(verb, check_mode=True)
        assert not planned["failed"], planned["msg"]
    outcome = running.stop()
    assert [command["cmd"] for command in planned["commands"]] == [command["cmd"] for command in outcome["commands"]]
    assert running.remains() == []


def test_foreign_container_keeps_the_daemon(running: Service) -> None:
    """A container that people started by hand is named, not stopped, and keeps the daemon."""
    running.docker("run", "--detach", "--network", "none", "--name", "byhand", "tiny", "sleep", "600")
    outcome = running.act("stopped")
    assert outcome["failed"] and "byhand" in outcome["msg"] and outcome["status"]["avail"] == "down"
    running.docker("rm", "--force", "byhand")
    running.stop()
    assert running.remains() == []


@pytest.fixture
def taken_ports() -> Iterator[range]:
    """The ports that docker tries first, and more than it tries in one go: others of the node listen on them."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()[0])
    ports = range(first, first + 25)
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(socket.create_server(("", port)))
        yield ports


def test_free_port_behind_those_of_many_neighbours(make: Make, taken_ports: range) -> None:
    """Each daemon begins at the same port and gives up after ten: a start and a later one look further."""
    service = make(container(run_args=["-p", "80"]))
    for _start in range(2):
        outcome = service.start()
        assert len([command for command in outcome["commands"] if command["rc"]]) == 2
        bindings = {it["HostIp"]: int(it["HostPort"]) for it in service.inspect()["NetworkSettings"]["Ports"]["80/tcp"]}
        assert bindings["0.0.0.0"] not in taken_ports
        service.stop()
    assert service.remains() == []


def test_port_that_is_asked_for_and_taken(make: Make, taken_ports: range) -> None:
    """Nobody looks for another one: the start fails at once, with the port and docker's words."""
    service = make(container(run_args=["-p", "%d:80" % taken_ports[0]]))
    outcome = service.act("started")
    assert outcome["failed"] and "%d: bind: address already in use" % taken_ports[0] in outcome["msg"], outcome["msg"]
    assert len([command for command in outcome["commands"] if " run " in command["cmd"]]) == 1
    assert service.remains() == []


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_published_port_without_its_proxy(make: Make, protocol: str) -> None:
    """docker says running, and nobody gets through: that is told, a start does not call it up, a restart brings it back."""
    service = make(container(run_args=["-p", "8093:80/" + protocol]))
    service.start()
    assert service.state() == "up"
    kill(*[pid for pid, argv in processes() if os.path.basename(argv[0]) == "docker-proxy"])
    assert service.state() == "warn" and "nothing listens on 0.0.0.0 port 8093" in service.remarks()
    outcome = service.act("started")
    assert outcome["failed"] and "docker-proxy" in outcome["msg"] and not outcome["commands"], outcome["msg"]
    service.restart(rid="container#0")
    assert service.state() == "up"
    service.stop()
    assert service.remains() == []


def test_out_of_memory(make: Make) -> None:
    """The kernel's verdict is told: exit code 137 alone could be anybody's SIGKILL."""
    eat = ["sh", "-c", "sleep 1; x=0123456789; while :; do x=$x$x; done"]
    service = make(container(command=eat, run_args=["--memory", "16m", "--memory-swap", "16m"]))
    service.start()
    wait_for(lambda: service.state() == "down")
    assert "out of memory" in service.remarks()


def test_killed_container_is_reported(make: Make) -> None:
    """One that does not heed TERM is killed after its own stop_timeout, and that is said."""
    service = make(container(command=["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], stop_timeout=1))
    service.start()
    outcome = service.stop()
    assert any("137" in line["text"] for line in outcome["log"])
    assert service.remains() == []
