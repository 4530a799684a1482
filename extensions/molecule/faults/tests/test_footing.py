# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing starts on a file system that is not the declared one: no daemon, no container, no volume (F22)."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.support import Module, container, loops_of, run
from ansible_collections.dockyard.svc.tests.whole import Whole, fails, make_whole, refused, template, whole
from ansible_collections.dockyard.svc.tests.wire import wire

__all__ = ["make_whole", "template", "whole", "wire"]
Make = Callable[..., Whole]


@contextmanager
def mounted(folder: str, *words: str) -> Iterator[None]:
    """Something of somebody else is mounted on a folder."""
    run("mount", *(words or ("-t", "tmpfs", "theirs")), folder)
    yield
    run("umount", folder)


def docker(whole: Whole) -> dict[str, Any]:
    """What the module behind the playbook `docker` says when somebody asks the daemon for its containers."""
    options = {"services": {whole.path: whole.raw}, "node": "node1", "command": "ps --all"}
    result = Module("docker", options).result()
    return next(iter(result["services"].values()))


def no_daemon(whole: Whole, folder: str, *words: str, **options: Any) -> None:
    """Neither a start nor the playbook `docker` starts the daemon, both say why, and nothing is written below."""
    inside = sorted(os.listdir(folder))
    refused(whole, "started", *words, **options)
    outcome = docker(whole)
    assert outcome["rc"] == 125 and "the docker daemon is not started" in outcome["stderr"], outcome
    assert not whole.daemon_pid() and sorted(os.listdir(folder)) == inside


def test_f22_the_file_system_is_not_mounted(whole: Whole) -> None:
    """A container alone is refused with the name of what it needs."""
    whole.start(rid="disk,fs#1")
    no_daemon(whole, whole.inner, "container#1: needs fs#2", "which is down: start it, too", rid="container#1")
    refused(whole, "started", "needs fs#2", rid="ip,container")
    done = whole.playbook("docker", docker_args="ps")
    assert done.returncode and "the docker daemon is not started: fs#2" in done.stdout, done.stdout
    assert not whole.daemon_pid() and os.listdir(whole.inner) == []
    whole.stop()


def test_f22_something_else_is_mounted_in_its_place(whole: Whole) -> None:
    """Another device, or a tmpfs, on the mount point of the data root."""
    whole.start(rid="disk,fs#1")
    with mounted(whole.inner):
        no_daemon(whole, whole.inner, "needs fs#2", rid="container#1")
        refused(whole, "started", "theirs (tmpfs) is mounted on " + whole.inner)
    with mounted(whole.inner, loops_of(whole.files[0])[0]):
        no_daemon(whole, whole.inner, "needs fs#2", rid="container#1")
        refused(whole, "started", "is mounted on %s" % whole.inner)
    assert whole.start()["status"]["overall"] == "up"


def test_f22_something_else_is_mounted_on_top_of_it(whole: Whole) -> None:
    """The right file system is mounted, and hidden."""
    whole.start(rid="disk,fs")
    with mounted(whole.inner):
        no_daemon(whole, whole.inner, "needs fs#2", "hidden by theirs (tmpfs)", rid="container#1")
        refused(whole, "started", "theirs (tmpfs) is mounted on " + whole.inner)
    with mounted(whole.outer):
        no_daemon(whole, whole.outer, "hidden by theirs (tmpfs)", rid="container#0")
    assert whole.start()["status"]["overall"] == "up"


def test_f22_something_else_is_mounted_on_the_data_root(whole: Whole) -> None:
    """All declared file systems are up, and the data root lies on none of them."""
    whole.start(rid="disk,fs")
    words = ("the docker daemon is not started", "something else is mounted there")
    with mounted(whole.inner + "/docker"):
        outcome = fails(whole, "started", *words, rid="container#1")
        assert not any("dockerd" in item["cmd"] for item in outcome["commands"])
        assert docker(whole)["rc"] == 125 and os.listdir(whole.inner + "/docker") == []
        outcome = fails(whole, "started", *words)
        assert "taken back: ip#1" in outcome["msg"] and whole.there()["fs#2"] and not whole.there()["ip#1"]
    os.makedirs(whole.inner + "/deep")
    deeper = whole.changed(docker_data_dir=whole.inner + "/deep/docker")
    with mounted(whole.inner + "/deep"):  # the data root itself is not there yet
        fails(deeper, "started", *words, rid="container#1")
        assert docker(deeper)["rc"] == 125 and os.listdir(whole.inner + "/deep") == []
    assert whole.start()["status"]["overall"] == "up"


@pytest.fixture
def apart(make_whole: Make) -> Whole:
    """A service whose two file systems are side by side: the data root on one, the volume on the other."""
    whole = make_whole()
    inner = whole.folder + "/inner"
    fs = {**whole.sections()["fs#2"], "mnt": inner}
    service = whole.changed(docker_data_dir=inner + "/docker", **{"fs#2": fs})
    service.inner = inner
    return service


def test_a_volume_of_a_file_system_that_is_down(apart: Whole) -> None:
    """Docker would make its folder on the bare mount point; a container without a volume there starts."""
    apart.start(rid="disk,fs#2,container#1")
    refused(apart, "started", "container#0: needs fs#1", "which is down: start it, too", rid="container#0")
    assert not os.path.exists(apart.outer + "/volume")
    refused(apart, "stopped", "container#1", "stands on it", rid="fs#2")
    apart.start(rid="fs#1")
    with mounted(apart.outer):
        refused(apart, "started", "container#0: needs fs#1", "hidden by theirs", rid="container#0")
        assert os.listdir(apart.outer) == []
    apart.start()
    apart.stop()
    assert apart.remains() == []


def test_a_container_in_its_order(whole: Whole) -> None:
    """Disks and file systems first, the container later, the address last: a service may come up in pieces."""
    for rid, up in (("disk,fs", 4), ("container", 6), ("ip", 7)):
        assert not whole.act("started", rid=rid)["failed"]
        states = [resource["state"] for resource in whole.truthful()["resources"].values()]
        assert states.count("up") == up, states
    assert not whole.start()["changed"]


def test_requirements(make_whole: Make) -> None:
    """A resource that requires another one is refused while that is not as required, before anything is changed."""
    whole = make_whole()
    first = {"start_requires": "ip#1", **container(stop_timeout=3)}
    whole = whole.changed(**{"container#1": first, "ip#1": {**whole.sections()["ip#1"], "stop_requires": "fs#2(down)"}})
    refused(whole, "started", "container#1: start_requires wants ip#1 to be up", rid="disk,fs,container")
    whole.start()
    refused(whole, "stopped", "ip#1: stop_requires wants fs#2 to be down", rid="ip")
    whole.stop()
    assert whole.remains() == []
