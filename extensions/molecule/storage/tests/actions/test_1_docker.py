"""docker.opensvc.com, step by step: what the service has, part by part, then as a whole, and nothing in the end."""

from __future__ import annotations

import re

SERVICE = "docker.opensvc.com"
NODE = "deb1.opensvc.com"
ADDRESS = "192.0.2.21/24"
ROOT, DATA = "/opt/docker.opensvc.com", "/opt/docker.opensvc.com/appdata"
DEVICES = ("/dev/mapper/vgdocker-lvdockerroot", "/dev/mapper/vgdocker-lvdockerdata")
SOCKET = "/run/dockyard/docker.opensvc.com/docker.sock"


def states(status):
    return {rid: resource["state"] for rid, resource in status["resources"].items()}


def released(node):
    """Assert that nothing of the service is on the node any more."""
    now = node.look()
    assert now["vgs"]["vgdocker"]["owners"] == []
    assert not [volume for volume in now["active"] if volume.startswith("vgdocker/")]
    assert not [point for point in now["mounts"] if point.startswith(ROOT)]
    assert ADDRESS not in now["addresses"]["eth0"]
    assert DATA not in now["daemons"]
    assert node.exclusive("/dev/disk/by-id/virtio-docker", *DEVICES) == {
        "/dev/disk/by-id/virtio-docker": True,
        **dict.fromkeys(DEVICES, None),
    }


def test_everything_is_down_at_first(deb1, printed):
    released(deb1)
    status = deb1.status(printed, SERVICE)
    assert states(status) == dict.fromkeys(("ip#1", "disk#1", "fs#1", "fs#2", "container#1"), "down")
    assert (status["daemon"]["state"], status["overall"]) == ("down", "down")


def start(node, services, rid="", path=SERVICE):
    outcome = node.act(services, path, "started", rid=rid)
    assert not outcome["failed"], outcome["msg"]
    return outcome


def test_start_of_the_volume_group_alone(deb1, printed):
    outcome = start(deb1, printed, "disk")
    now = deb1.look()
    assert now["vgs"]["vgdocker"]["owners"] == [NODE]
    assert now["active"] == ["vgdocker/lvdockerdata", "vgdocker/lvdockerroot"]
    status = outcome["status"]
    assert states(status) == {"ip#1": "down", "disk#1": "up", "fs#1": "down", "fs#2": "down", "container#1": "down"}
    assert status["overall"] == "warn"


def test_start_of_the_file_systems(deb1, printed):
    outcome = start(deb1, printed, "disk,fs")
    assert not [command for command in outcome["commands"] if command["rid"] == "disk#1"]
    mounts = deb1.look()["mounts"]
    assert mounts[ROOT][:2] == [DEVICES[0], "ext4"]
    assert mounts[DATA][:2] == [DEVICES[1], "ext4"]


def test_start_of_the_address(deb1, deb2, printed):
    start(deb1, printed, "ip")
    assert ADDRESS in deb1.look()["addresses"]["eth0"]
    assert "52:54:00:00:01:01" in deb2.run("arping", "-c", "1", "-I", "eth0", "192.0.2.21")


def test_the_daemons_start_for_a_docker_command_and_are_given_an_image(play, deb1, printed):
    start(deb1, printed, "ip,disk,fs", "app.opensvc.com")
    run = play("docker", docker_args=["import", "/srv/images.tar", "test/busybox"])
    assert run.changed
    daemons = deb1.look()["daemons"]
    assert sorted(daemons) == ["/opt/app.opensvc.com/appdata", DATA]
    for daemon in daemons.values():
        assert re.search(r"/dockyard\.slice/dockyard-[0-9a-f]{10}\.slice/", daemon["cgroup"])


def test_start_of_the_rest(deb1, printed):
    outcome = start(deb1, printed)
    assert {command["rid"] for command in outcome["commands"]} == {"container#1"}
    (command,) = [command["cmd"] for command in outcome["commands"] if "test/busybox" in command["cmd"]]
    for words in ("-v /opt/docker.opensvc.com/vol1:/vol1:rw", "docker.opensvc.com.container.1", "test/busybox /bin/sh"):
        assert words in command
    status = outcome["status"]
    assert set(states(status).values()) == {"up"}
    assert status["overall"] == "up"
    inspected = deb1.host.check_output("docker -H unix://%s inspect docker.opensvc.com.container.1", SOCKET)
    assert '"Tty": true' in inspected
    assert '"OpenStdin": true' in inspected


def test_a_part_that_another_stands_on_is_not_stopped_alone(deb1, printed):
    before = deb1.look()
    for rid in ("vg#1", "fs#1", "fs#2"):
        outcome = deb1.act(printed, SERVICE, "stopped", rid=rid)
        assert outcome["failed"] and not outcome["changed"], outcome
    assert deb1.look() == before


def test_each_resource_is_stopped_alone(deb1, printed):
    for rid in ("container#1", "fs#2", "fs#1", "vg#1", "ip#1"):
        outcome = deb1.act(printed, SERVICE, "stopped", rid=rid)
        assert not outcome["failed"] and outcome["changed"], outcome["msg"]
    assert outcome["status"]["overall"] == "down"
    released(deb1)


def test_start_of_the_whole_is_what_check_mode_says(deb1, printed):
    imagined = deb1.act(printed, SERVICE, "started", check=True)
    released(deb1)
    real = start(deb1, printed)
    assert [command["cmd"] for command in imagined["commands"]] == [command["cmd"] for command in real["commands"]]
    assert real["status"]["overall"] == "up"


def test_the_other_node_is_none_of_its_nodes(deb2, printed):
    outcome = deb2.act(printed, SERVICE, "started")
    assert outcome["skipped"] and not outcome["changed"]
