# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A definition is changed under a running service: what it has started before is neither forgotten nor called down."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from ansible_collections.dockyard.svc.plugins.module_utils.node import clock
from ansible_collections.dockyard.svc.tests.support import Service, container, run

Make = Callable[..., Service]
FS = {"type": "tmpfs", "mnt": "/srv/changes/fs"}


def _changed(before: Service, **sections: Any) -> Service:
    return Service(before.path, **{"docker_data_dir": before.data_root, "container#0": None, **sections})


def test_the_last_container_is_taken_out(make: Make) -> None:
    """The daemon and what runs in it are told, and not called stopped; without a container the daemon is ended."""
    before = make()
    before.start()
    service = _changed(before, **{"fs#1": FS})
    status = service.status()
    assert status["overall"] == "warn" and status["daemon"]["state"] == "up"
    assert any("container#0 (container " in text and "put it back" in text for text in status["problems"])
    assert any("has no container: a stop ends it" in text for text in status["problems"])
    outcome = service.act("stopped")
    assert outcome["failed"] and before.name() in outcome["msg"], outcome["msg"]
    assert before.container_pid()
    before.docker("stop", before.name())
    assert service.stop()["changed"]
    assert not before.daemon_pid() and service.status()["problems"] == []
    assert before.remains() == []


def test_one_container_of_two_is_taken_out(make: Make) -> None:
    """It is told as long as it runs."""
    before = make(container(), container())
    before.start()
    service = _changed(before, **{"container#0": container()})
    status = service.status()
    assert status["avail"] == "up" and status["overall"] == "warn"
    assert ["container#1 (container " in text for text in status["problems"]] == [True]
    before.stop(rid="container#1")
    assert service.status()["overall"] == "up"
    service.stop()


def test_an_index_is_changed(make: Make) -> None:
    """What is there under another number is not forgotten by a start that takes it over."""
    before = _changed(make(), **{"fs#1": FS})
    before.start()
    service = _changed(before, **{"fs#2": FS})
    service.start()
    assert service.status()["problems"] == []
    service.stop()
    assert service.status()["problems"] == [] and before.status()["overall"] == "down"


def test_the_node_is_taken_out(make: Make) -> None:
    """A service that is up on a node which it does not name any more is told there, and nobody says that it was stopped."""
    before = make()
    full = _changed(before, **{"container#0": container(), "fs#1": FS})
    full.start()
    service = _changed(before, nodes="elsewhere", **{"container#0": container(), "fs#1": FS})
    status = service.status()
    assert (status["here"], status["overall"]) == (False, "warn") and "fs#1 (" in status["problems"][0]
    for state in ("stopped", "started"):
        outcome = service.act(state)
        assert outcome["failed"] and "does not name this node: put it back, then stop it" in outcome["msg"], outcome
        assert outcome["commands"] == []
    full.stop()
    assert service.status()["overall"] == "n/a"
    outcome = service.act("stopped")
    assert outcome["skipped"] and not outcome["failed"]


def test_a_mount_of_an_earlier_boot_is_not_left(make: Make) -> None:
    """A reboot has taken away what was started before it."""
    before = _changed(make(), **{"fs#1": FS})
    before.start()
    service = _changed(before)
    assert "fs#1" in service.status()["problems"][0]
    run("umount", FS["mnt"])
    record = Path(before.machine.state_folder, "record.json")
    record.write_text(record.read_text(encoding="ascii").replace(clock.boot_id(), "an earlier boot"), encoding="ascii")
    assert service.status()["problems"] == []


def test_a_restart_that_cannot_work(make: Make) -> None:
    """It is refused while the service is up, and nothing is stopped."""
    service = make()
    service.start()
    bad = _changed(service, **{"container#0": container(image_archive="/srv/nosuch.tar")})
    outcome = bad.act("restarted")
    assert outcome["failed"] and "/srv/nosuch.tar" in outcome["msg"] and outcome["commands"] == [], outcome
    assert service.status()["avail"] == "up"


def test_a_disabled_service(make: Make) -> None:
    """An action on it does nothing, and does not say otherwise."""
    service = make()
    service.start()
    outcome = _changed(service, disable=True, **{"container#0": container()}).act("stopped")
    assert not outcome["changed"] and "disabled" in outcome["msg"] and service.container_pid()


def test_what_no_action_is_for_stands_on_what_is_stopped(make: Make) -> None:
    """The way out is one that there is."""
    bind = {"type": "bind", "dev": FS["mnt"], "mnt": "/srv/changes/bound"}
    before = _changed(make(), **{"fs#1": FS, "fs#2": bind})
    before.start()
    service = _changed(before, **{"fs#1": FS, "fs#2": {**bind, "tags": "noaction"}})
    outcome = service.act("stopped")
    assert outcome["failed"] and "fs#2" in outcome["msg"] and "has the tag noaction: take that out" in outcome["msg"]
    before.stop()
