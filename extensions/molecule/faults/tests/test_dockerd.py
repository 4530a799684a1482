# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the private daemon, and what is right when they happen."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import (
    NODE,
    PATIENCE,
    Module,
    Service,
    alive,
    container,
    kill,
    run,
    wait_for,
)

Make = Callable[..., Service]
WEB = ["sh", "-c", "trap exit TERM; httpd -f -p 80 & wait"]


def _answers(port: int) -> bool:
    """Whether a published port leads to the web server of its container."""
    try:
        urllib.request.urlopen("http://127.0.0.1:%d/nosuch" % port, timeout=10)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _up(service: Service) -> None:
    outcome = service.module("started").outcome()
    assert not outcome["failed"] and outcome["status"]["avail"] == "up", outcome["msg"]


def _released(service: Service) -> None:
    """A stop goes well and leaves nothing."""
    outcome = service.module("stopped").outcome()
    assert not outcome["failed"] and outcome["status"]["avail"] == "down", outcome["msg"]
    assert service.remains() == []


def _container(service: Service) -> dict[str, Any]:
    return service.info()["resources"]["container#0"]


def _texts(resource: dict[str, Any]) -> str:
    return "; ".join(line["text"] for line in resource["log"])


@contextlib.contextmanager
def _innocent() -> Iterator[int]:
    """A process that has nothing to do with any service."""
    process = subprocess.Popen(["sleep", "600"])
    yield process.pid
    assert process.poll() is None, "an innocent process was ended"
    process.kill()
    process.wait()


def test_f01_daemon_killed_containers_survive(running: Service) -> None:
    """The status says so instead of down, and a stop ends them by evidence outside of the API."""
    pid = running.container_pid()
    running.kill_daemon()
    resource = _container(running)
    assert resource["state"] == "warn" and "pid %d" % pid in _texts(resource)
    _released(running)
    assert not alive(pid)


def test_f04_pid_file_of_an_innocent_process(service: Service) -> None:
    """A pid that was given to somebody else keeps no daemon from starting, and nobody is signalled."""
    os.makedirs(os.path.dirname(service.pid_file))
    with _innocent() as pid:
        Path(service.pid_file).write_text(str(pid), encoding="ascii")
        assert service.info()["overall"] == "down"
        _up(service)
        Path(service.pid_file).write_text(str(pid), encoding="ascii")
        _released(service)


def test_f05_pid_file_of_another_daemon(make: Make) -> None:
    """Our pid file names the daemon of another service: that one is neither ours nor ended."""
    left, right = make(), make()
    _up(right)
    os.makedirs(os.path.dirname(left.pid_file))
    shutil.copy(right.pid_file, left.pid_file)
    daemon = right.daemon_pid()
    assert left.info()["overall"] == "down"
    assert not left.module("stopped").outcome()["failed"]
    _up(left)
    shutil.copy(right.pid_file, left.pid_file)
    _released(left)
    assert right.daemon_pid() == daemon and right.info()["overall"] == "up"


@pytest.mark.parametrize("text", ["", "garbage", "12 34\n", "-1", "9" * 30])
def test_f07_garbage_in_the_pid_file(service: Service, text: str) -> None:
    """What is no pid crashes nothing and stops nothing."""
    os.makedirs(os.path.dirname(service.pid_file))
    Path(service.pid_file).write_text(text, encoding="ascii")
    assert service.info()["overall"] == "down"
    assert not service.module("stopped").outcome()["failed"]


def test_f09_one_data_root_for_two_services(make: Make) -> None:
    """Two definitions with one data root, or one inside the other, are refused before anything is touched."""
    one = make()
    for root in (one.data_root, one.data_root + "/inside", os.path.dirname(one.data_root)):
        two = {"docker_data_dir": root, "container#0": container()}
        result = one.playbook("start", dockyard_services={one.path: one.raw, "test/two": two})
        assert result.returncode != 0 and "test/two" in result.stdout and one.path in result.stdout
        assert "docker_data_dir" in result.stdout
    assert one.remains() == [] and not os.path.exists(one.data_root)


@pytest.mark.parametrize("other_name", [False, True], ids=["same path", "by another path"])
def test_f09_data_root_of_a_foreign_daemon(service: Service, other_name: bool) -> None:
    """A data root in which somebody else's daemon works is refused, and he is named."""
    os.makedirs(service.data_root)
    root = service.data_root
    if other_name:
        root = "/srv/other-name"
        os.makedirs(root, exist_ok=True)
        run("mount", "--bind", service.data_root, root)
    words = ["--host", "unix:///run/foreign.sock", "--exec-root", "/run/foreign", "--pidfile", "/run/foreign.pid"]
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    foreign = subprocess.Popen(["dockerd", *words, "--data-root", root, "--bridge=none", "--iptables=false"], **quiet)
    try:
        wait_for(lambda: run("docker", "--host", "unix:///run/foreign.sock", "info", check=False).returncode == 0)
        outcome = service.module("started").outcome()
        assert outcome["failed"] and "pid %d" % foreign.pid in outcome["msg"], outcome["msg"]
        assert outcome["commands"] == [] and foreign.poll() is None
    finally:
        foreign.terminate()
        foreign.wait(60)
        if other_name:
            run("umount", root)


def test_f10_restart_keeps_the_ports_of_others(make: Make) -> None:
    """A restart of one service leaves the published ports of another one alone, and the shared chains as they are."""
    left = make(container(command=WEB, run_args=["-p", "8101:80"]))
    right = make(container(command=WEB, run_args=["-p", "8102:80"]))
    _up(left)
    _up(right)
    chains = run("iptables", "-S").stdout + run("iptables", "-t", "nat", "-S").stdout
    rules = run("nft", "list", "table", "ip", left.table).stdout
    assert not right.module("restarted").outcome()["failed"]
    assert _answers(8101) and _answers(8102)
    assert run("nft", "list", "table", "ip", left.table).stdout == rules
    _released(right)
    assert _answers(8101)
    assert run("iptables", "-S").stdout + run("iptables", "-t", "nat", "-S").stdout == chains
    _released(left)


def test_f11_two_daemons_two_networks(make: Make) -> None:
    """Containers of two services never have one address, and nobody has docker0."""
    services = [make(container(netns="bridge")) for _count in range(2)]
    for service in services:
        _up(service)
    networks = [service.inspect()["NetworkSettings"] for service in services]
    assert len({network["IPAddress"] for network in networks}) == 2
    assert not os.path.exists("/sys/class/net/docker0")
    assert len({service.bridge for service in services} & set(os.listdir("/sys/class/net"))) == 2


def test_f13_networks_that_people_make(make: Make) -> None:
    """docker network create never gives two services one subnet, whatever the order of their starts."""
    left, right = make(), make()
    _up(left)
    left.docker("network", "create", "people")
    _released(left)
    _up(right)
    right.docker("network", "create", "people")
    _up(left)
    subnets = []
    for service in (left, right):
        config = json.loads(service.docker("network", "inspect", "people").stdout)[0]["IPAM"]["Config"]
        subnets += [ipaddress.ip_network(item["Subnet"]) for item in config]
    assert not subnets[0].overlaps(subnets[1])
    for service in (left, right):
        service.docker("network", "rm", "people")
        _released(service)


@pytest.mark.parametrize("text", ['{"live-restore": true, "hosts": ["tcp://127.0.0.1:2375"]}', "no json"])
def test_f14_daemon_json_of_the_node(service: Service, text: str) -> None:
    """The node's daemon.json reaches no private daemon, be it wrong or right."""
    os.makedirs("/etc/docker", exist_ok=True)
    Path("/etc/docker/daemon.json").write_text(text, encoding="ascii")
    try:
        _up(service)
        assert service.docker("info", "--format", "{{.LiveRestoreEnabled}}").stdout.strip() == "false"
    finally:
        os.unlink("/etc/docker/daemon.json")


def test_f15_live_restore(service: Service) -> None:
    """live-restore is refused as an argument; one that got in by the daemon's own file still leaves no container."""
    bad = {**service.raw, "docker_daemon_args": "--live-restore"}
    result = service.playbook("start", dockyard_services={service.path: bad})
    assert result.returncode != 0 and "--live-restore" in result.stdout and "outlive" in result.stdout
    config = Path(os.path.dirname(service.pid_file), "daemon.json")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('{"live-restore": true}', encoding="ascii")
    _up(service)
    pid = service.container_pid()
    if service.docker("info", "--format", "{{.LiveRestoreEnabled}}").stdout.strip() == "true":
        kill(service.daemon_pid(), number=signal.SIGTERM)
        wait_for(lambda: not service.daemon_pid())
        assert _container(service)["state"] == "warn"
    _released(service)
    assert not alive(pid)


def test_f16_daemon_hung(running: Service) -> None:
    """A daemon that does not answer is neither up nor down; start refuses, stop ends it and its containers."""
    pid = running.container_pid()
    kill(running.daemon_pid(), number=signal.SIGSTOP)
    began = time.monotonic()
    status = running.info()
    assert time.monotonic() - began < PATIENCE
    assert status["resources"]["container#0"]["state"] == "undef" and status["avail"] == "warn"
    outcome = running.module("started").outcome()
    assert outcome["failed"] and "stopped by a signal" in outcome["msg"]
    _released(running)
    assert not alive(pid)


def test_f16_daemon_deaf(make: Make) -> None:
    """A daemon that never answers, though no signal stopped it, is ended by a stop as well: it may open no file any more."""
    service = make(container(stop_timeout=1), docker_stop_timeout="1s")
    _up(service)
    resource.prlimit(service.daemon_pid(), resource.RLIMIT_NOFILE, (3, 3))
    began = time.monotonic()
    assert _container(service)["state"] == "undef"
    assert time.monotonic() - began < PATIENCE
    assert service.module("started").outcome()["failed"]
    _released(service)


def _hold_up(service: Service, seconds: float) -> threading.Thread:
    """Stop the daemon of a service as soon as it exists, and let it go on later."""

    def work() -> None:
        pid = wait_for(service.daemon_pid)
        kill(pid, number=signal.SIGSTOP)
        time.sleep(seconds)
        kill(pid, number=signal.SIGCONT)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_f17_slow_daemon(service: Service) -> None:
    """A daemon that takes its time is waited for."""
    thread = _hold_up(service, 4)
    _up(service)
    thread.join()


def test_f17_daemon_too_slow(make: Make) -> None:
    """One that passes docker_start_timeout is ended again, and said to be late."""
    service = make(docker_start_timeout="1s")
    thread = _hold_up(service, 8)
    outcome = service.module("started").outcome()
    assert outcome["failed"] and "within 1 s" in outcome["msg"], outcome["msg"]
    assert service.remains() == []
    thread.join()


def test_f18_path_too_long(service: Service) -> None:
    """A run folder in which no socket fits is refused before anything is made."""
    folder = "/run/" + "x" * 90
    result = service.module("started", run_dir=folder).result()
    assert result["failed"] and ("107 is the most" in result["msg"] or "too long" in result["msg"]), result["msg"]
    assert next(iter(result["services"].values()))["commands"] == []
    assert service.remains() == []


def test_f19_socket_group_missing(make: Make) -> None:
    """A group that the node does not have is refused, with the command that makes it, before anything is changed."""
    service = make(docker_socket_group="nosuch")
    result = service.playbook("start")
    assert result.returncode != 0 and "groupadd --system nosuch" in result.stdout
    assert service.remains() == [] and not os.path.exists(service.data_root)


def test_f20_group_of_the_socket(make: Make) -> None:
    """The socket is the group's from its first moment; a chgrp is reported, and undone by the next restart."""
    service = make(docker_socket_group="team1")
    seen: set[tuple[str, int]] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                facts = os.stat(service.socket)
                seen.add((facts.st_gid, stat.S_IMODE(facts.st_mode)))
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _up(service)
    finally:
        ended.set()
        watcher.join()
    gid = int(run("getent", "group", "team1").stdout.split(":")[2])
    assert (gid, 0o660) in seen
    assert all(mode & 0o007 == 0 for _gid, mode in seen), seen
    folder = os.stat(os.path.dirname(service.socket))
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid) == (0o750, 0, gid)
    os.chown(service.socket, 0, 1)
    status = service.info()
    assert "root:team1 0660" in "; ".join(status["daemon"]["problems"]) and status["overall"] == "warn"
    assert service.module("restarted").outcome()["status"]["overall"] == "up"
    assert os.stat(service.socket).st_gid == gid


def test_f21_daemon_dies_at_once(make: Make) -> None:
    """The failure quotes dockerd's own last line, and comes at once."""
    service = make(docker_daemon_args="--storage-driver nosuch")
    began = time.monotonic()
    outcome = service.module("started").outcome()
    assert outcome["failed"] and "nosuch" in outcome["msg"] and "graphdriver" in outcome["msg"], outcome["msg"]
    assert time.monotonic() - began < PATIENCE
    assert service.remains() == []


def test_f22_file_system_mounted_over_the_data_root(running: Service) -> None:
    """A file system that is mounted over the data root of a running daemon is reported; a stop still works."""
    run("mount", "-t", "tmpfs", "tmpfs", running.data_root)
    try:
        status = running.info()
        assert running.data_root in "; ".join(status["daemon"]["problems"]), status
        assert status["overall"] == "warn"
    finally:
        run("umount", running.data_root)
    assert running.info()["overall"] == "up"
    _released(running)


@pytest.fixture
def small_disk(make: Make) -> Iterator[Service]:
    """A service whose data root is on a small file system of its own."""
    service = make(docker_data_dir="/srv/small/docker", docker_start_timeout="10s")
    with open("/srv/small.img", "wb") as stream:
        stream.truncate(96 << 20)
    run("mkfs.ext4", "-q", "-F", "/srv/small.img")
    os.makedirs("/srv/small", exist_ok=True)
    run("mount", "-o", "loop,errors=remount-ro", "/srv/small.img", "/srv/small")
    yield service
    service.wipe()
    run("umount", "/srv/small")


def test_f23_data_root_full(small_disk: Service) -> None:
    """A full data root is reported; a stop works, and a start either works or says what dockerd says."""
    _up(small_disk)
    with open("/srv/small/fill", "wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 65536)
    status = small_disk.info()
    assert "MiB left" in "; ".join(status["daemon"]["problems"]) and status["overall"] == "warn"
    _released(small_disk)
    outcome = small_disk.module("started").outcome()
    assert "internal error" not in outcome["msg"] and (not outcome["failed"] or "space" in outcome["msg"]), outcome[
        "msg"
    ]
    _released(small_disk)


def test_f23_data_root_read_only(small_disk: Service) -> None:
    """A read-only data root is reported; a stop works, and a start fails with the reason."""
    _up(small_disk)
    device = os.path.basename(run("findmnt", "--noheadings", "--output", "SOURCE", "/srv/small").stdout.strip())
    Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("1", encoding="ascii")
    status = small_disk.info()
    assert "read-only" in "; ".join(status["daemon"]["problems"]) and status["overall"] == "warn", status["daemon"]
    _released(small_disk)
    outcome = small_disk.module("started").outcome()
    assert outcome["failed"] and "read-only" in outcome["msg"], outcome["msg"]
    assert small_disk.remains() == []


def test_f26_containerd_killed(running: Service) -> None:
    """dockerd starts its containerd again: the container goes on, and nothing is made anew."""
    before = (running.inspect()["Id"], running.container_pid())
    kill(
        *[pid for pid in running.helpers() if "shim" not in Path("/proc/%d/cmdline" % pid).read_text(encoding="utf-8")]
    )
    wait_for(lambda: running.info()["resources"]["container#0"]["state"] == "up")
    assert (running.inspect()["Id"], running.container_pid()) == before
    wait_for(lambda: len(running.helpers()) >= 2)
    _released(running)


def test_f27_shim_killed(running: Service) -> None:
    """A container whose shim was killed is not up, whatever docker says; the next start brings it up."""
    pid = running.container_pid()
    kill(*[pid for pid in running.helpers() if "shim" in Path("/proc/%d/cmdline" % pid).read_text(encoding="utf-8")])
    wait_for(lambda: _container(running)["state"] != "up")
    wait_for(lambda: not alive(pid) or _container(running)["state"] == "warn")
    _up(running)
    _released(running)


def test_f28_container_started_during_the_stop(running: Service) -> None:
    """Somebody goes on starting containers: the stop says who keeps the daemon, or has really ended it."""
    ended = threading.Event()

    def busy() -> None:
        while not ended.is_set():
            running.docker("run", "--detach", "--rm", "--network=none", "tiny", "sleep", "1", check=False)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        time.sleep(0.3)
        outcome = running.module("stopped").outcome()
        if not outcome["failed"]:
            assert running.remains() == []
        else:
            assert "docker daemon" in outcome["msg"] and "internal" not in outcome["msg"], outcome["msg"]
    finally:
        ended.set()
        thread.join()
    if outcome["failed"]:
        wait_for(lambda: not running.module("stopped").outcome()["failed"])
    assert running.remains() == []


def test_f30_mounts_of_network_namespaces(small_disk: Service) -> None:
    """After a crash and a stop nothing keeps the file system of the data root from being unmounted."""
    _up(small_disk)
    kill(small_disk.daemon_pid(), *small_disk.helpers(), small_disk.container_pid())
    assert any("/netns/" in line for line in small_disk.remains())
    _released(small_disk)
    run("umount", "/srv/small")
    run("mount", "-o", "loop", "/srv/small.img", "/srv/small")


def test_f31_stale_exec_root(running: Service) -> None:
    """What a power cut left in the exec root does not keep the daemon from starting."""
    kill(running.daemon_pid(), *running.helpers(), running.container_pid())
    shutil.rmtree(running.exec_root + "/containerd/daemon", ignore_errors=True)
    Path(running.exec_root, "containerd", "containerd.pid").write_text("1", encoding="ascii")
    _up(running)
    _released(running)


def test_f32_environment_that_leads_elsewhere(make: Make) -> None:
    """DOCKER_HOST and its like in the environment of the user lead no command to another daemon."""
    right, wrong = make(), make()
    _up(wrong)
    environment = {"DOCKER_HOST": "unix://" + wrong.socket, "DOCKER_CONTEXT": "nosuch", "DOCKER_CONFIG": "/nosuch"}
    before = wrong.docker("ps", "--all", "--quiet").stdout
    outcome = right.module(
        "started", {**environment, "DOCKER_TLS_VERIFY": "1", "HTTP_PROXY": "http://nosuch:1"}
    ).outcome()
    assert not outcome["failed"] and right.inspect()["State"]["Running"], outcome["msg"]
    assert wrong.docker("ps", "--all", "--quiet").stdout == before


# Faults that the list does not name


def test_data_root_of_an_earlier_definition(running: Service) -> None:
    """The definition was changed under the running daemon: it is neither hidden nor ended, and the way out is said."""
    changed = Service(running.path, docker_data_dir="/srv/elsewhere")
    root = running.definition.values["docker_data_dir"]
    assert changed.state("container#0") == "undef"
    for state in ("started", "stopped"):
        outcome = changed.act(state)
        assert outcome["failed"] and not outcome["commands"], outcome
        assert "works in %s and not in /srv/elsewhere" % root in outcome["msg"], outcome["msg"]
    assert running.state("container#0") == "up"
    running.stop()
    changed.start()
    changed.wipe()


def test_a_private_daemon_of_an_earlier_definition(running: Service) -> None:
    """The definition has none any more: its containers are still there, whatever the node's own daemon says."""
    changed = Service(running.path, docker_data_dir=None)
    assert changed.state("container#0") == "undef"
    for state in ("started", "stopped"):
        outcome = changed.act(state)
        assert outcome["failed"] and not outcome["commands"], outcome
        assert "private docker daemon" in outcome["msg"] and "docker_data_dir = " in outcome["msg"], outcome["msg"]
    assert running.status()["overall"] == "up"


def test_data_root_is_a_link(service: Service) -> None:
    """A data root that is a symbolic link, or below one, is refused with the real path."""
    os.makedirs("/srv/elsewhere", exist_ok=True)
    os.makedirs(os.path.dirname(service.data_root))
    os.symlink("/srv/elsewhere", service.data_root)
    outcome = service.module("started").outcome()
    assert outcome["failed"] and "/srv/elsewhere" in outcome["msg"] and outcome["commands"] == []


def test_data_root_of_another_user(service: Service) -> None:
    """A data root that somebody else owns, or may write to, is refused."""
    os.makedirs(service.data_root)
    os.chown(service.data_root, 1234, 0)
    outcome = service.module("started").outcome()
    assert outcome["failed"] and "1234" in outcome["msg"] and outcome["commands"] == []
    os.chown(service.data_root, 0, 0)
    os.chmod(service.data_root, 0o777)
    outcome = service.module("started").outcome()
    assert outcome["failed"] and "777" in outcome["msg"]


def test_data_root_is_a_file(service: Service) -> None:
    """A data root that is a file is refused."""
    os.makedirs(os.path.dirname(service.data_root))
    Path(service.data_root).write_text("x", encoding="ascii")
    outcome = service.module("started").outcome()
    assert outcome["failed"] and "not a folder" in outcome["msg"] and outcome["commands"] == []


def test_stop_of_a_service_that_names_the_data_root_of_another(running: Service) -> None:
    """A service renamed while it was up: what is mounted in the data root is not the new one's."""
    renamed = Service("test/renamed", **running.raw)
    outcome = renamed.act("stopped")
    assert outcome["failed"] and not outcome["commands"]
    assert "in use by another docker daemon" in outcome["msg"], outcome["msg"]
    running.docker("restart", "--time", "1", running.name())
    assert running.status()["overall"] == "up"


@pytest.mark.parametrize(
    "content",
    ['{"ip": [1], "daemon": 5, "claims": [2]}', '{"containers": "x", "claims": {"container#0": 3}}', "[]", None],
)
def test_record_of_another_shape(make: Make, content: str | None) -> None:
    """What is not understood counts as nothing; one that cannot be read is no reason to fail for the other services."""
    first, second = make(), make()
    first.start()
    record = Path(second.machine.state_folder, "record.json")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.mkdir() if content is None else record.write_text(content, encoding="utf-8")
    if content is None:
        assert second.state("container#0") == "down"
        outcome = second.act("started")
        assert outcome["failed"] and "record.json cannot be" in outcome["msg"], outcome["msg"]
        record.rmdir()
    assert first.state("container#0") == "up" and not first.start()["changed"]
    second.start()
    for service in (first, second):
        service.stop()


def test_record_is_garbage(running: Service) -> None:
    """What was remembered is only a help: without it, status, stop and start are the same."""
    record = Path(running.machine.state_folder, "record.json")
    for text in ("", "garbage", "[]", '{"containers": {"container#0": 7}}', '{"containers": 5, "daemon": []}'):
        record.write_text(text, encoding="ascii")
        assert running.info()["overall"] == "up"
        assert not running.module("started").outcome()["changed"]
    _released(running)
    record.write_text(text, encoding="ascii")
    _up(running)


def test_record_lost_and_daemon_killed(running: Service) -> None:
    """Without daemon and without record the data root still tells which container it is, and a stop ends everything."""
    Path(running.machine.state_folder, "record.json").unlink()
    running.kill_daemon()
    assert _container(running)["state"] == "warn"
    outcome = running.module("stopped").outcome()
    assert not outcome["failed"], outcome["msg"]
    assert not running.remains()


def test_subnets_of_another_shape(make: Make) -> None:
    """A value that is no network is passed over."""
    service = make()
    Path("/var/lib/dockyard").mkdir(mode=0o711, exist_ok=True)
    Path("/var/lib/dockyard/subnets.json").write_text('{"x": [1], "y": "rubbish"}', encoding="utf-8")
    _up(service)
    _released(service)


def test_subnets_file_is_garbage(make: Make) -> None:
    """A table of subnets that is no table gives a service a network that nobody else has."""
    left, right = make(container(netns="bridge")), make(container(netns="bridge"))
    _up(left)
    Path("/var/lib/dockyard/subnets.json").write_text("garbage", encoding="ascii")
    _up(right)
    assert left.inspect()["NetworkSettings"]["IPAddress"] != right.inspect()["NetworkSettings"]["IPAddress"]


def test_log_folder_not_writable(make: Make) -> None:
    """Where no log can be written, the failure says so in one sentence, and nothing is half done."""
    service = make()
    Path("/srv/nolog").write_text("a file", encoding="ascii")
    result = service.module("started", log_dir="/srv/nolog").result()
    assert result["failed"] and "/srv/nolog" in result["msg"] and "internal error" not in result["msg"]
    assert service.remains() == []


def test_run_folder_full(make: Make) -> None:
    """A full /run is a failure with a reason; a stop gets along without space."""
    service = make()
    run_dir = "/srv/smallrun"
    os.makedirs(run_dir, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", run_dir)
    try:
        with open(run_dir + "/fill", "wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(b"x" * 4096)
        result = service.module("started", run_dir=run_dir).result()
        assert result["failed"] and "internal error" not in result["msg"], result["msg"]
        assert not service.module("stopped", run_dir=run_dir).result().get("failed")
        assert not service.daemon_pid()
    finally:
        run("umount", "--lazy", run_dir)


def test_docker_client_fails(make: Make, tmp_path: Path) -> None:
    """A docker command that always fails is quoted, and the daemon that was started for it is taken back."""
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\necho the client is broken >&2\nexit 9\n", encoding="ascii")
    fake.chmod(0o755)
    service = make()
    real = shutil.which("docker", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
    assert real
    run("mount", "--bind", str(fake), real)
    try:
        outcome = service.module("started").outcome()
        assert outcome["failed"] and "the client is broken" in outcome["msg"], outcome["msg"]
        assert service.remains() == []
    finally:
        run("umount", real)


def test_clock_jump(running: Service) -> None:
    """Files from the future, as after the clock was set back, change nothing."""
    future = time.time() + 10 * 86400
    for path in (running.socket, running.pid_file, running.lock, running.machine.state_folder + "/record.json"):
        os.utime(path, (future, future))
    assert running.info()["overall"] == "up"
    _released(running)


def test_f37_unreachable_is_not_stopped(make: Make) -> None:
    """When the daemon cannot be asked, the stop of one of its containers fails instead of saying that it is down."""
    service = make(container(), container())
    _up(service)
    daemon = service.daemon_pid()
    kill(daemon, number=signal.SIGSTOP)
    outcome = service.module("stopped", rid="container#0").outcome()
    assert outcome["failed"] and not outcome["changed"], outcome["msg"]
    assert outcome["status"]["resources"]["container#0"]["state"] == "undef"
    kill(daemon, number=signal.SIGCONT)
    assert service.info()["overall"] == "up"


def test_socket_is_reachable_only_for_the_group(make: Make) -> None:
    """A stranger to the group gets permission denied from the first moment on."""
    service = make(docker_socket_group="team1")
    _up(service)
    code = "import socket,os,sys; os.setgid(65534); os.setuid(65534); socket.socket(1).connect(sys.argv[1])"
    refused = run("python3", "-c", code, service.socket, check=False)
    assert "PermissionError" in refused.stderr
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(service.socket)


def test_module_dockerd_alone(make: Make) -> None:
    """The module for people's own roles refuses what the service would refuse."""
    service = make()
    options = {"service": service.path, "data_root": service.data_root, "socket_group": "nosuch"}
    result = Module("dockerd", options).result()
    assert result["failed"] and "groupadd" in result["msg"]
    result = Module(
        "dockerd", {**options, "socket_group": "root", "daemon_args": ["--host", "tcp://0.0.0.0:1"]}
    ).result()
    assert result["failed"] and "--host" in result["msg"] and NODE not in result["msg"]
