"""Actions that are cut off, and actions that meet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from ansible_collections.dockyard.svc.extensions.molecule.storage.tests.pair import (
    DOWN,
    PATH,
    UP,
    anything_of_it,
    states,
)
from ansible_collections.dockyard.svc.tests.support import wait_for
from ansible_collections.dockyard.svc.tests.vm.nodes import PATIENCE

PRINTED = "docker.opensvc.com"


def truth(node):
    """What is up of the parts of the service below its container; None is neither up nor down."""
    now = node.look()
    volumes = [volume for volume in now["active"] if volume.startswith("vgdocker/")]
    owned = now["vgs"]["vgdocker"]["owners"] == [node.name]
    return {
        "ip#1": "192.0.2.21/24" in now["addresses"]["eth0"],
        "disk#1": {0: None if owned else False, 2: owned or None}.get(len(volumes)),
        "fs#1": "/opt/docker.opensvc.com" in now["mounts"],
        "fs#2": "/opt/docker.opensvc.com/appdata" in now["mounts"],
    }


def assert_honest(node, services):
    """Nothing that is there is called down, and nothing that is not there is called up."""
    real, told = truth(node), states(node.status(services, PRINTED))
    for rid, up in real.items():
        assert told[rid] != {True: "down", False: "up"}.get(up), (rid, told, real)
    return real


def act(node, services, state, rid="ip,disk,fs", kill_at=0):
    """Start or stop what is below the container; None when it was killed before change number `kill_at`."""
    outcome = node.act(services, PRINTED, state, rid=rid, kill_at=kill_at)
    assert outcome is None or not outcome["failed"], outcome["msg"]
    return outcome


@pytest.mark.parametrize("state", ["started", "stopped"])
def test_f98_killed_again_and_again(deb1, printed, state):
    """Each run makes a change and is killed: the status after it tells the truth, and the next run goes on from there."""
    seen, before, kill_at = [], None, 2
    while act(deb1, printed, state, kill_at=kill_at) is None:
        now = assert_honest(deb1, printed)
        kill_at = kill_at + 1 if now == before else 2  # a check leaves no trace: go one further
        seen += [now] if now not in seen else []
        before = now
        assert kill_at < 10
    assert len(seen) > 3
    assert truth(deb1) == dict.fromkeys(("ip#1", "disk#1", "fs#1", "fs#2"), state == "started")


def test_f98_killed_before_each_change_of_a_volume_group(deb1, printed):
    """Wherever its start was killed, a stop cleans up after it."""
    step = 2
    while act(deb1, printed, "started", "disk", step) is None:
        act(deb1, printed, "stopped", "disk")
        assert not any(truth(deb1).values())
        step += 1
    act(deb1, printed, "stopped", "disk")
    assert not any(truth(deb1).values())
    assert step > 2


def test_f99_two_controllers_at_once(pair, deb1):
    """Two starts: one works, the other waits for it and finds nothing to do. A start and a stop: one after the other."""
    pids = [pair.begin(deb1, "started") for _number in range(2)]
    outcomes = [deb1.ask("wait", pid=pid) for pid in pids]
    assert sorted(outcome["changed"] for outcome in outcomes) == [False, True]
    assert not any(outcome["failed"] for outcome in outcomes), outcomes
    pids = [pair.begin(deb1, state) for state in ("stopped", "started")]
    outcomes = [deb1.ask("wait", pid=pid) for pid in pids]
    assert not any(outcome["failed"] for outcome in outcomes), outcomes
    assert states(pair.status(deb1)) in (UP, DOWN)


def test_clock_jump(pair, deb1):
    """Ten days forward after a start, and back again after the stop."""
    pair.start(deb1)
    deb1.run("date", "--set", "10 days")
    try:
        assert states(pair.status(deb1)) == UP
        assert not pair.start(deb1)["changed"]
        pair.stop(deb1)
        pair.start(deb1)
    finally:
        deb1.run("date", "--set", "10 days ago")
    assert states(pair.status(deb1)) == UP


def test_f29_f65_power_cut(pair, deb1, deb2, printed):
    """After a crash nothing comes up by itself, nor of what the other node has; the status says so, and a start works."""
    pair.start(deb2)
    assert deb2.look()["vgs"]["vgpair"]["autoactivation"] is False
    outcome = deb1.act(printed, PRINTED, "started")
    assert not outcome["failed"], outcome["msg"]
    deb1.crash()
    deb1.boot()
    now = deb1.look()
    assert now["vgs"]["vgdocker"]["owners"] == [deb1.name]
    assert (now["mounts"], now["daemons"]) == ({}, {})
    assert not anything_of_it(deb1)
    assert states(pair.status(deb2)) == UP
    status = deb1.status(printed, PRINTED)
    assert {**states(status), "disk#1": "-"} == {**dict.fromkeys(status["resources"], "down"), "disk#1": "-"}
    outcome = deb1.act(printed, PRINTED, "started")
    assert not outcome["failed"] and outcome["status"]["overall"] == "up", outcome
    outcome = deb1.act(printed, PRINTED, "stopped")
    assert not outcome["failed"], outcome["msg"]
    assert not any(truth(deb1).values())


@contextmanager
def held(node, program):
    """A program of the node waits before it does anything; yields what tells whether it does, and what lets it go on."""
    path = node.run("sh", "-c", "readlink -f $(command -v %s)" % program).strip()
    script = '#!/bin/sh\ntouch /run/held\nwhile [ -e /run/held ]; do sleep 0.1; done\nexec /root/held-real "$@"\n'
    node.run("cp", path, "/root/held-real")
    node.run(
        "sh",
        "-c",
        'printf %s "$1" >/root/held && chmod 755 /root/held && mount --bind /root/held "$2"',
        "",
        script,
        path,
    )
    try:
        yield lambda: node.run("sh", "-c", "[ ! -e /run/held ] || echo it waits"), lambda: node.run("rm", "/run/held")
    finally:
        node.run("rm", "-f", "/run/held")
        node.run("umount", "--lazy", path)


def test_f108_connection_is_lost_during_a_start(pair, deb1, play, scenario):
    """The module goes on when nobody listens any more."""
    variables = {"svc": PATH, "rid": "ip,disk,fs#1", "dockyard_services_dir": str(scenario / "pair")}
    with ThreadPoolExecutor() as pool, held(deb1, "e2fsck") as (waits, let_go):
        unreachable = pool.submit(play, "start", **variables, rc=4)
        wait_for(waits, PATIENCE)
        assert deb1.ask("cut_sessions")
        unreachable.result()
        assert states(pair.status(deb1))["fs#1"] == "down"
        let_go()
        wait_for(lambda: states(pair.status(deb1)) == UP, PATIENCE)
