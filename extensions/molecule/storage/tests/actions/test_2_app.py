"""app.opensvc.com, step by step: three containers, ports on the service's address, and the upgrade of one container."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import read_directory

SERVICE = "app.opensvc.com"
ADDRESS = "192.0.2.22"
ROOT, DATA = "/opt/app.opensvc.com", "/opt/app.opensvc.com/appdata"
SOCKET = "/run/dockyard/app.opensvc.com/docker.sock"
DOCKER = ("docker", "--host", "unix://" + SOCKET)
OBEDIENT = "trap 'exit 0' TERM; %s & wait"
COMMANDS = {
    "test/web": OBEDIENT % "hostname > /index.html; httpd -f -p 8000 -h /",
    "test/sshd": OBEDIENT % "nc -ll -p 22 -e hostname",
}
"""What stands for the web application on port 8000, and for the sshd on port 22."""


def import_arguments(image, command=""):
    """The docker command that makes an image of a tar."""
    change = ["--change", "CMD " + json.dumps(["sh", "-c", command])] if command else []
    return ["import", *change, "/srv/images.tar", image]


def containers(node):
    """What the daemon of the service knows of its containers, by number."""
    ids = node.run(*DOCKER, "ps", "--all", "--quiet").split()
    inspected = json.loads(node.run(*DOCKER, "inspect", *ids)) if ids else []
    return {item["Name"].rpartition(".")[2]: item for item in inspected}


def states(status):
    return {rid: resource["state"] for rid, resource in status["resources"].items()}


def test_the_daemon_has_the_arguments_of_the_service_and_its_images(deb1, printed):
    assert deb1.look()["daemons"][DATA]["argv"].count(ADDRESS) == 1
    assert states(deb1.status(printed, SERVICE)) == {
        **dict.fromkeys(("ip#1", "disk#1", "fs#1", "fs#2"), "up"),
        **dict.fromkeys(("container#1", "container#2", "container#3"), "down"),
    }
    for image, command in COMMANDS.items():
        deb1.run(*DOCKER, *import_arguments(image, command))


def test_start_of_both_services(play, deb1):
    run = play("start")
    assert run.result["services"][SERVICE]["status"]["overall"] == "up"
    assert not run.result["services"]["docker.opensvc.com"]["changed"]
    runs = [command for command in run.commands(SERVICE) if "app.opensvc.com.container." in command]
    assert [re.search(r"container\.(\d)", command)[1] for command in runs] == ["1", "2", "3"]
    began = {number: item["State"]["StartedAt"] for number, item in containers(deb1).items()}
    assert sorted(began, key=began.get) == ["1", "2", "3"]


def test_starting_them_again_changes_nothing(deb1, printed):
    for path in printed:
        outcome = deb1.act(printed, path, "started")
        assert not outcome["failed"] and not outcome["changed"], outcome
        assert outcome["commands"] == []


def test_ports_answer_on_the_service_address_only(deb1, deb2):
    listeners = deb1.run("ss", "--no-header", "--listening", "--tcp", "--numeric").split()
    assert "%s:8888" % ADDRESS in listeners and "%s:42222" % ADDRESS in listeners
    assert not [word for word in listeners if word.endswith((":8888", ":42222")) and not word.startswith(ADDRESS)]
    known = {number: item["Config"]["Hostname"] for number, item in containers(deb1).items()}
    page = deb2.run("busybox", "wget", "-q", "-O", "-", "http://%s:8888/index.html" % ADDRESS)
    assert page.strip() == known["2"]
    greeting = deb2.run("busybox", "nc", "-w", "5", ADDRESS, "42222")
    assert greeting.strip() == known["3"]
    deb2.run("busybox", "nc", "-w", "3", "192.0.2.11", "8888", accept=(1,))


ASK = """
import http.client, socket, sys
client = http.client.HTTPConnection("docker")
client.sock = socket.socket(socket.AF_UNIX)
client.sock.connect("/proc/%s/root/docker.sock" % sys.argv[1])
client.request("GET", "/info")
print(client.getresponse().read().decode())
"""


def test_the_socket_in_the_container_leads_to_the_daemon_of_the_service(deb1):
    process = containers(deb1)["2"]["State"]["Pid"]
    answer = deb1.run("python3", "-c", ASK, str(process))
    assert json.loads(answer)["DockerRootDir"] == DATA


def test_volume_is_a_folder_of_the_first_file_system(deb1):
    deb1.run(*DOCKER, "exec", "app.opensvc.com.container.3", "sh", "-c", "echo kept > /vol1/note")
    assert deb1.run("cat", ROOT + "/vol1/note") == "kept\n"


def test_containers_are_stopped_together_and_two_of_them_started(deb1, printed):
    before = {number: item["Id"] for number, item in containers(deb1).items()}
    outcome = deb1.act(printed, SERVICE, "stopped", rid="container")
    assert not outcome["failed"], outcome["msg"]
    assert DATA not in deb1.look()["daemons"]
    stops = [command["cmd"].split() for command in outcome["commands"] if command["cmd"].startswith("docker ")]
    assert [words[-1] for words in stops if "stop" in words] == [before["3"], before["2"], before["1"]]
    outcome = deb1.act(printed, SERVICE, "started", rid="container#2,container#3")
    assert not outcome["failed"], outcome["msg"]
    assert {number: item["Id"] for number, item in containers(deb1).items()} == before
    assert states(outcome["status"])["container#1"] == "down"
    assert outcome["status"]["overall"] == "warn"


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory, scenario):
    """The services of the configuration files with the new image in one of them."""
    folder = tmp_path_factory.mktemp("services") / "services"
    shutil.copytree(scenario / "services", folder)
    file = folder / (SERVICE + ".env")
    file.write_text(file.read_text().replace("run_image = test/busybox\n", "run_image = test/busybox:new\n"))
    return read_directory(str(folder))


def test_upgrade_of_the_container_that_is_stopped(deb1, upgraded):
    before = containers(deb1)
    deb1.run(*DOCKER, *import_arguments("test/busybox:new"))
    deb1.run(*DOCKER, "rm", SERVICE + ".container.1")
    outcome = deb1.act(upgraded, SERVICE, "started", rid="container#1")
    assert not outcome["failed"], outcome["msg"]
    status = outcome["status"]
    assert status["overall"] == "up"
    assert "test/busybox:new" in status["resources"]["container#1"]["label"]
    now = containers(deb1)
    assert now["1"]["Image"] != before["1"]["Image"]
    assert {number: now[number]["State"] for number in "23"} == {number: before[number]["State"] for number in "23"}


def test_stop_of_both_services_gives_everything_back(play, deb1):
    run = play("stop")
    parts = {"ip#1", "disk#1", "fs#1", "fs#2", "container#1", "docker daemon"}
    assert set(run.result["services"]["docker.opensvc.com"]["evidence"]) == parts
    assert set(run.result["services"][SERVICE]["evidence"]) == parts | {"container#2", "container#3"}
    assert all(run.result["services"][path]["status"]["overall"] == "down" for path in (SERVICE, "docker.opensvc.com"))
    now = deb1.look()
    assert all(group["owners"] == [] for group in now["vgs"].values())
    assert (now["active"], now["mounts"], now["daemons"]) == ([], {}, {})
    assert now["addresses"]["eth0"] == ["192.0.2.11/24", *[it for it in now["addresses"]["eth0"] if ":" in it]]
    disks = ("/dev/disk/by-id/virtio-app", "/dev/disk/by-id/virtio-docker")
    assert deb1.exclusive(*disks) == dict.fromkeys(disks, True)


def test_stopping_them_again_changes_nothing(deb1, printed):
    for path in printed:
        outcome = deb1.act(printed, path, "stopped")
        assert not outcome["failed"] and not outcome["changed"], outcome
        assert outcome["commands"] == []
