"""Services that are up with all their resources, and what becomes of one when a part of it is stopped."""

from __future__ import annotations

import re

import pytest

SHOP, WIKI, SIX = "shop/web", "wiki/web", "six/only"
ORDER = ["ip#1", "disk#1", "disk#2", "fs#2", "fs#1", "container#2", "container#10"]


def rids(run, service):
    """The resources that commands were run for, in the order of their first command."""
    return list(dict.fromkeys(item["rid"] for item in run.result["services"][service]["commands"] if item["rid"]))


def plain(command):
    """A command without the number of a loop device, which is the next free one of the whole machine."""
    return re.sub(r"/dev/loop\d+", "/dev/loopN", command)


def test_addresses_are_on_the_wire_and_answer_the_peer(machine):
    found = machine.addresses()
    assert found["10.66.0.21/24"] == found["10.66.0.22/24"] == found["fd66::21/64"] == "wire0"
    assert "wire0:wiki" in machine.host.check_output("ip -oneline address show dev wire0")
    assert machine.peer("arping", "-c", "1", "-I", "wire1", "10.66.0.21").rc == 0
    assert machine.peer("busybox", "wget", "-qO-", "http://[fd66::21]:9/").rc != 0
    assert "lladdr" in machine.peer("ip", "-6", "neigh", "show", "fd66::21").stdout


@pytest.mark.parametrize(("service", "address"), [(SHOP, "10.66.0.21"), (WIKI, "10.66.0.22")])
def test_published_ports_answer_on_the_address_of_their_service_alone(machine, service, address):
    text = "this is %s\n" % service
    machine.host.run("echo this is %s > %s", service, "/srv/%s/vol1/index.html" % service.partition("/")[0])
    assert machine.peer("busybox", "wget", "-qO-", "http://%s:8080/" % address).stdout == text
    assert machine.peer("busybox", "wget", "-qO-", "-T", "2", "http://10.66.0.1:8080/").rc != 0


def test_file_systems_are_mounted_as_declared(machine):
    mounts, loops = machine.mounts(), machine.loops()
    assert mounts["/srv/shop"]["fstype"] == "ext4" and "noatime" in mounts["/srv/shop"]["options"].split(",")
    assert mounts["/srv/shop"]["source"] == loops["shop-root.img"]
    assert (mounts["/srv/shop/data"]["fstype"], mounts["/srv/shop/data"]["source"]) == ("xfs", loops["shop-data.img"])
    assert (mounts["/srv/six"]["fstype"], mounts["/srv/six/images"]["options"][:2]) == ("tmpfs", "ro")
    folder = machine.host.file("/srv/wiki")
    assert (folder.mode, folder.user, folder.group) == (0o750, "root", "team1")
    assert machine.docker(SHOP, "info", "--format", "{{.DockerRootDir}}") == "/srv/shop/data"


def test_the_tree_of_a_service_shows_every_resource(play):
    tree = play("status", "-e", "svc=" + SHOP).result["lines"]
    assert re.fullmatch(r"shop/web +up", tree[0])
    for rid in ORDER:
        assert any(re.search(r"%s +\S+ +up " % re.escape(rid), line) for line in tree), rid


def test_starting_and_provisioning_again_run_no_command(play):
    for playbook in ("provision", "start"):
        run = play(playbook)
        assert not run.changed
        assert [run.commands(service) for service in (SHOP, SIX, WIKI)] == [[], [], []]


def test_a_restart_goes_down_and_up_in_order_as_check_mode_foretells(play):
    foretold = play("restart", "-e", "svc=" + SHOP, "--check")
    run = play("restart", "-e", "svc=" + SHOP)
    down_and_up = [item["rid"] for item in run.result["services"][SHOP]["commands"] if item["rid"]]
    middle = len(down_and_up) - down_and_up[::-1].index("ip#1") - 1
    assert list(dict.fromkeys(reversed(rids(run, SHOP)))) == ORDER
    assert down_and_up[0] == "container#10" and down_and_up[-1] == "container#10" and 0 < middle < len(down_and_up)
    assert [plain(command) for command in foretold.commands(SHOP)] == [plain(command) for command in run.commands(SHOP)]


ALONE = [
    ("container#10", ["container#10"]),
    ("container", ["container#10", "container#2"]),
    ("fs,container", ["container#10", "container#2", "fs#1", "fs#2"]),
    ("ip", ["ip#1"]),
]


@pytest.mark.parametrize(("selection", "stopped"), ALONE)
def test_a_part_of_a_service_is_stopped_and_started_alone(play, machine, selection, stopped):
    select = ("-e", "svc=" + SHOP, "-e", "rid=" + selection)
    run = play("stop", *select)
    assert rids(run, SHOP) == stopped
    assert set(stopped) <= set(run.result["services"][SHOP]["evidence"])
    assert rids(play("start", *select), SHOP) == stopped[::-1]


def test_tags_select_resources(play):
    assert rids(play("stop", "-e", "svc=" + SHOP, "-e", "svc_tags=day+night,night+batch"), SHOP) == ["container#10"]
    assert rids(play("start", "-e", "svc=" + SHOP, "-e", "svc_tags=day,night"), SHOP) == ["container#10"]


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ("fs#2", "fs#2: fs#1"),
        ("fs", "stands on it and is up"),
        ("disk#2", "disk#2: fs#1"),
    ],
)
def test_what_others_stand_on_is_not_taken_away(play, machine, selection, reason):
    before = machine.mounts(), machine.loops(), machine.addresses()
    run = play("stop", "-e", "svc=" + SHOP, "-e", "rid=" + selection, rc=2)
    assert reason in run.message(SHOP)
    assert run.commands(SHOP) == []
    assert (machine.mounts(), machine.loops(), machine.addresses()) == before


def test_a_container_is_not_started_without_what_it_stands_on(play):
    play("stop", "-e", "svc=" + SHOP, "-e", "rid=container,fs")
    run = play("start", "-e", "svc=" + SHOP, "-e", "rid=container#2", rc=2)
    assert "container#2: needs fs#" in run.message(SHOP)
    run = play("docker", "-e", "svc=" + SHOP, "-e", "docker_args=ps", rc=2)
    assert "which carries its data root, is down" in run.text
    play("start", "-e", "svc=" + SHOP)


def test_an_address_that_the_peer_has_ends_the_start_before_anything_is_touched(play, machine):
    play("stop", "-e", "svc=" + WIKI)
    assert machine.peer("ip", "address", "add", "10.66.0.22/24", "dev", "wire1").rc == 0
    try:
        run = play("start", "-e", "svc=" + WIKI, rc=2)
        mac = machine.peer("cat", "/sys/class/net/wire1/address").stdout.strip() or "in use"
        assert "ip#1" in run.message(WIKI) and mac in run.message(WIKI)
        assert run.commands(WIKI) == []
        assert "/srv/wiki" not in machine.mounts() and "wiki.img" not in machine.loops()
    finally:
        machine.peer("ip", "address", "del", "10.66.0.22/24", "dev", "wire1")
    play("start", "-e", "svc=" + WIKI)
