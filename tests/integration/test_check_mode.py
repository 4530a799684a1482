# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode lists the commands of the real run, and changes nothing at all."""

from __future__ import annotations

import os
import re
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.tests.support import Service, container, kill, run

WEB = ["sh", "-c", "trap exit TERM; httpd -f -p 80 & wait"]
SHAPES: dict[str, list[dict[str, Any]]] = {
    "without a network": [container(), container(rm=True, netns="container#0"), container()],
    "with a bridge": [
        container(command=WEB, run_args=["-p", "8094:80"]),
        container(secrets={"A": "b"}, volume_mounts=["/srv/shared:/shared"]),
        container(rm=True),
    ],
}


def _commands(outcome: dict[str, Any]) -> list[str]:
    """The commands of a run. Pids and ids of what is made only in the course of the run are not known before."""
    assert not outcome["failed"], outcome["msg"]
    return [
        re.sub(r"(kill -\w+|stop -t \d+|start|rm|unpause) [0-9a-f]*$", r"\1", c["cmd"]) for c in outcome["commands"]
    ]


def _picture() -> list[tuple[str, float, int]]:
    """Every file that the collection may write, with its time and size; mounts, interfaces and rules."""
    found = [("mounts", 0.0, len(run("findmnt", "--list").stdout)), ("links", 0.0, len(os.listdir("/sys/class/net")))]
    found.append(("rules", 0.0, len(run("nft", "list", "ruleset").stdout)))
    for folder in ("/run/dockyard", "/var/lib/dockyard", "/var/log/dockyard", "/srv"):
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in ("x", "buildkit", "containerd")]
            for path in [parent, *(os.path.join(parent, name) for name in names)]:
                facts = os.lstat(path)
                found.append((path, facts.st_mtime, facts.st_size))
    return sorted(found)


def _same(service: Service, state: str) -> list[str]:
    """Check, then do; both have the same commands, and the check left no trace."""
    before, daemon = _picture(), service.daemon_pid()
    foretold = service.act(state, check_mode=True)
    assert _picture() == before
    assert service.daemon_pid() == daemon
    assert all(command["rc"] is None for command in foretold["commands"])
    done = service.act(state)
    assert _commands(foretold) == _commands(done)
    assert foretold["changed"] == done["changed"]
    return _commands(done)


@pytest.mark.parametrize("containers", SHAPES.values(), ids=SHAPES)
def test_same_commands(make: Callable[..., Service], containers: list[dict[str, Any]]) -> None:
    """From the very first start on: start, start, restart, stop, stop, second start, restart from down."""
    service = make(*containers)
    assert _same(service, "started")
    assert not _same(service, "started")
    assert _same(service, "restarted")
    assert _same(service, "stopped")
    assert not _same(service, "stopped")
    assert _same(service, "started")
    service.stop()
    assert _same(service, "restarted")


@pytest.mark.parametrize("state", ["started", "restarted", "stopped"])
@pytest.mark.parametrize("spoil", ["killed", "orphaned", "paused", "exited", "container gone"])
def test_same_commands_from_half_way(make: Callable[..., Service], spoil: str, state: str) -> None:
    """Check mode foretells the clearing away, too."""
    service = make(container(stop_timeout=2))
    service.start()
    if spoil == "killed":
        kill(service.daemon_pid(), *service.helpers(), service.container_pid())
    elif spoil == "orphaned":
        service.kill_daemon()
    elif spoil == "paused":
        service.docker("pause", service.name())
    elif spoil == "exited":
        service.docker("stop", service.name())
    else:
        service.docker("rm", "--force", service.name())
    before = _picture()
    foretold = service.act(state, check_mode=True)
    assert _picture() == before
    done = service.act(state)
    assert [c for c in _commands(foretold) if not c.startswith("kill")] == [
        c for c in _commands(done) if not c.startswith("kill")
    ]


def test_start_of_one_in_a_running_daemon(make: Callable[..., Service]) -> None:
    """With the daemon up for another container, no daemon is started in check mode either."""
    service = make(container(), container(image="other"))
    service.start(rid="container#0")
    rid = {"rid": "container#1"}
    foretold, done = service.act("started", check_mode=True, **rid), service.act("started", **rid)
    assert _commands(foretold) == _commands(done)


@pytest.mark.parametrize("state", ["stopped", "restarted"])
def test_one_container_of_two(make: Callable[..., Service], state: str) -> None:
    """The daemon stays up for the other one, which check mode must be able to tell."""
    service = make(container(), container())
    service.start()
    foretold = service.act(state, check_mode=True, rid="container#1")
    done = service.act(state, rid="container#1")
    assert not foretold["failed"], foretold["msg"]
    assert [command["cmd"] for command in foretold["commands"]] == [command["cmd"] for command in done["commands"]]
