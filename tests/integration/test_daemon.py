# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private daemon: what a failed start leaves, who is taken for it, who may use its socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.support import Service, container, kill, run

Make = Callable[..., Service]


# A start that fails


@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("dockerd", "echo no wonder >&2; exit 1"),
        ("dockerd", "kill -9 $$"),
        ("nft", 'case "$*" in *"add table"*) exit 1;; esac; exec $REAL "$@"'),
        ("ip", 'case "$*" in *"set dev"*) exit 1;; esac; exec $REAL "$@"'),
    ],
    ids=["dockerd fails", "dockerd is killed", "nft fails", "ip fails"],
)
def test_failed_start_leaves_no_network(make: Make, program: str, script: str) -> None:
    """The bridge and the rules that were made for a daemon that did not come up are taken away again."""
    service = make(container(netns="bridge"))
    with replaced(program, script):
        assert service.act("started")["failed"]
    assert service.remains() == []
    service.start()


def test_failed_start_without_a_way_to_take_the_network_back(make: Make) -> None:
    """What stays is named, after the reason of the failure; a stop takes it away."""
    service = make(container(netns="bridge"), docker_daemon_args=["--storage-driver=nonsense"])
    with replaced("ip", 'case "$*" in "link delete"*) exit 7;; esac; exec $REAL "$@"'):
        outcome = service.act("started")
    assert outcome["failed"] and "nonsense" in outcome["msg"] and "its network stays" in outcome["msg"], outcome["msg"]
    service.stop()
    assert service.remains() == []


# Who is taken for the daemon


def test_a_containerd_that_is_late(make: Make) -> None:
    """dockerd waits for it for fifteen seconds, and ends. It is started once more, and nothing of the first try is left."""
    service = make()
    with replaced("containerd", '[ -e /run/late ] || { touch /run/late; exec sleep 600; }\nexec $REAL "$@"'):
        outcome = service.start()
        assert [remark["text"].endswith("it is started once more") for remark in outcome["log"]].count(True) == 1
        assert outcome["status"]["overall"] == "up"
        service.stop()
    assert service.remains() == []


@pytest.fixture
def imitation() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a program named dockerd or containerd that belongs to somebody without rights."""
    folder = Path("/srv/imitation")
    folder.mkdir()
    started = []

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        program = folder / name
        if not program.exists():
            shutil.copy("/usr/bin/python3", program)
        started.append(
            subprocess.Popen([program, "-c", "import time; time.sleep(600)", *words], user="nobody", cwd="/")
        )
        time.sleep(0.2)
        assert started[-1].poll() is None
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    shutil.rmtree(folder)


def test_process_of_somebody_is_no_daemon(make: Make, imitation: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Only root's processes can be the daemon, a helper of it, or a rival in its data root."""
    service = make()
    others = [
        imitation(
            "dockerd", "--exec-root", service.exec_root, "--pidfile", service.pid_file, "--data-root", service.data_root
        ),
        imitation("dockerd", "--data-root", service.data_root),
        imitation("containerd-shim-runc-v2", "-address", service.exec_root + "/containerd/containerd.sock"),
    ]
    assert service.state() == "down"
    service.start()
    kill(service.status()["daemon"]["pid"])
    service.start()
    service.stop()
    assert all(other.poll() is None for other in others)


# Check mode


@pytest.mark.parametrize("rid", ["", "container#0"])
def test_check_mode_of_a_stop_without_the_daemon(make: Make, rid: str) -> None:
    """Each process is signalled once, and the shims that outlive their containers are ended at last."""
    service = make(container(), container())
    service.start()
    service.kill_daemon()

    def kills(outcome: dict[str, Any]) -> list[str]:
        assert not outcome["failed"], outcome["msg"]
        return [command["cmd"] for command in outcome["commands"] if command["cmd"].startswith("kill")]

    planned = kills(service.act("stopped", rid=rid, check_mode=True))
    assert planned == kills(service.act("stopped", rid=rid))
    assert len(planned) == (1 if rid else 3)


# The end


@pytest.mark.parametrize(
    ("arguments", "spoil", "says_so"),
    [
        ([], lambda log: None, True),
        (["--log-level=warn"], lambda log: None, False),
        ([], os.remove, False),
        ([], lambda log: (os.remove(log), os.mkfifo(log)), False),
    ],
    ids=["it says so", "it does not", "no log", "a pipe for a log"],
)
def test_a_daemon_that_only_sleeps(
    make: Make, arguments: list[str], spoil: Callable[[str], Any], says_so: bool
) -> None:
    """It is not waited for when its log says that it has shut down; when the log does not, it ends by itself."""
    service = make(docker_daemon_args=arguments)

    def is_found_asleep() -> bool:
        service.start()
        spoil(service.machine.daemon_log)
        outcome = service.stop()
        assert service.remains() == []
        return any("only sleeps now" in remark["text"] for remark in outcome["log"])

    # On a busy machine the second in which it sleeps may be over before anybody looks.
    assert any(is_found_asleep() for _attempt in range(5)) if says_so else not is_found_asleep()


# The socket


def _mode(path: str, mode: int) -> Callable[[Service], None]:
    return lambda service: os.chmod(path.format(folder=service.machine.socket_folder), mode)


def _group(path: str) -> Callable[[Service], None]:
    return lambda service: os.chown(path.format(folder=service.machine.socket_folder), 0, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        _mode("{folder}", 0o700),
        _mode("{folder}", 0o755),
        _group("{folder}"),
        _mode("{folder}/docker.sock", 0o666),
        _group("{folder}/docker.sock"),
        _mode("/run/dockyard", 0o700),
    ],
    ids=["folder closed", "folder open", "folder's group", "socket open", "socket's group", "run folder closed"],
)
def test_access_to_the_socket(running: Service, spoil: Callable[[Service], None]) -> None:
    """What keeps the group from its socket, or lets others at it, is reported, and a start sets it right."""
    daemon = running.daemon_pid()
    spoil(running)
    status = running.status()
    assert status["overall"] == "warn" and "a start makes it so" in status["daemon"]["problems"][0], status["daemon"]
    planned = running.act("started", check_mode=True)
    assert running.status()["overall"] == "warn"
    outcome = running.start()
    assert [one["cmd"] for one in planned["commands"]] == [one["cmd"] for one in outcome["commands"]]
    assert running.status()["overall"] == "up"
    assert not running.start()["changed"] and running.daemon_pid() == daemon


@pytest.fixture
def team() -> Iterator[str]:
    """A group of the node, which the test takes away."""
    run("groupadd", "team-x")
    yield "team-x"
    run("groupdel", "team-x", check=False)


def test_the_group_is_gone(make: Make, team: str) -> None:
    """It is told, a restart is refused before it stops anything, and a stop works."""
    service = make(docker_socket_group=team)
    service.start()
    run("groupdel", team)
    assert "there is no group " + team in service.status()["daemon"]["problems"][0]
    for state in ("started", "restarted"):
        outcome = service.act(state)
        assert outcome["failed"] and "groupadd --system " + team in outcome["msg"], outcome["msg"]
        assert outcome["commands"] == [] and outcome["status"]["avail"] == "up"
    service.stop()
    assert service.remains() == []
