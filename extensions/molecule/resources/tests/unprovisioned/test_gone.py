"""After unprovision the disks are gone; what the services did not make is there."""

from __future__ import annotations

from pathlib import Path


def test_the_disks_are_gone_and_foreign_files_are_there(machine):
    assert list(Path("/srv/disks").iterdir()) == []
    assert Path("/srv/images/busybox.tar").is_file()
    assert machine.loops() == {} and machine.mounts() == {}


def test_unprovisioning_again_finds_nothing_to_destroy(play):
    run = play("unprovision", "-e", "svc=shop/web", "-e", "confirm=shop/web")
    assert not run.changed
    assert run.commands("shop/web") == []


def test_unprovision_wants_the_service_named(play):
    run = play("unprovision", rc=2)
    assert "confirm" in run.text
