"""After the stop of every service nothing of them is left but their disks, data and logs."""

from __future__ import annotations

from pathlib import Path


def test_nothing_is_mounted_and_no_loop_device_is_left(machine):
    assert machine.mounts() == {}
    assert machine.loops() == {}


def test_the_addresses_are_gone_and_those_of_the_machine_are_there(machine):
    assert machine.addresses() == {"10.66.0.1/24": "wire0", "fd66::1/64": "wire0"}


def test_no_daemon_and_no_container_is_left(machine):
    names = [process.args.split()[0].rpartition("/")[2] for process in machine.host.process.filter()]
    assert [name for name in names if name.startswith(("dockerd", "containerd", "docker-proxy", "httpd"))] == []


def test_stopping_again_changes_nothing_and_gives_the_evidence_again(play):
    run = play("stop")
    assert not run.changed
    for outcome in run.result["services"].values():
        assert outcome["commands"] == []
        assert set(outcome["evidence"]) >= set(outcome["status"]["resources"])


def test_the_disks_stay():
    assert sorted(path.name for path in Path("/srv/disks").iterdir()) == ["shop-data.img", "shop-root.img", "wiki.img"]


def test_check_mode_of_provisioning_knows_what_is_there(play):
    run = play("provision", "--check")
    assert not run.changed
    assert not any("mkfs" in command for service in run.result["services"] for command in run.commands(service))
