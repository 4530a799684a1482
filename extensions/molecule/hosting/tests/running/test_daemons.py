"""Six services are up, each in a Docker daemon that is its own in every respect."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_there_are_exactly_six_daemons(machine, teams):
    assert sorted(machine.daemons()) == sorted(teams)


@pytest.mark.parametrize(
    "option", ["--data-root", "--exec-root", "--pidfile", "--host", "--config-file", "--cgroup-parent"]
)
def test_no_two_daemons_share(machine, option):
    values = [daemon.options[option] for daemon in machine.daemons().values()]
    assert len(values) == len(set(values)) == 6


def test_each_daemon_has_its_own_place(machine, service):
    daemon = machine.daemons()[service]
    assert daemon.data_root == "/srv/%s/docker" % service
    assert Path(daemon.options["--pidfile"]).read_text().strip() == str(daemon.pid)
    assert Path(daemon.options["--exec-root"], "containerd").is_dir()
    assert len(machine.host.process.filter(ppid=daemon.pid, comm="containerd")) == 1


def test_no_daemon_uses_what_all_would_share(machine):
    assert machine.interfaces("docker") == []
    assert machine.tables() == []
    for daemon in machine.daemons().values():
        assert daemon.options["--bridge"] == "none"
        assert daemon.options["--iptables"] == "false"


def test_the_socket_belongs_to_the_team(machine, service, teams):
    socket = machine.host.file(machine.socket(service))
    assert socket.is_socket
    assert (socket.user, socket.group, oct(socket.mode)) == ("root", teams[service], "0o660")
    folder = machine.host.file(str(Path(socket.path).parent))
    assert (folder.user, folder.group, oct(folder.mode)) == ("root", teams[service], "0o750")


@pytest.mark.parametrize("user, team", [("member1", "team1"), ("member2", "team2"), ("nobody", None)])
def test_a_member_reaches_the_daemons_of_the_team_and_no_other(machine, service, teams, user, team):
    command = machine.host.run("runuser -u %s -- docker -H unix://%s ps", user, machine.socket(service))
    if teams[service] == team:
        assert command.rc == 0, command.stderr
        assert service.replace("/", "..") + ".container.0" in command.stdout
    else:
        assert command.rc != 0
        assert "permission denied" in command.stderr
        assert command.stdout.strip() == ""


def test_the_container_is_up_and_carries_the_name_and_labels_of_its_service(machine, service):
    name = service.replace("/", "..") + ".container.0"
    containers = machine.containers(service)
    assert list(containers) == [name]
    container = containers[name]
    assert container["State"]["Status"] == "running"
    assert container["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
    assert container["HostConfig"]["NetworkMode"] == "none"
    labels = container["Config"]["Labels"]
    assert labels["dockyard.svc.path"] == service
    assert labels["dockyard.svc.rid"] == "container#0"
    assert labels["dockyard.svc.id"]


def test_the_processes_of_a_service_are_in_its_control_group(machine, service):
    daemon = machine.daemons()[service]
    (container,) = machine.containers(service).values()
    for pid in (daemon.pid, container["State"]["Pid"]):
        groups = {line.split(":", 2)[2] for line in Path("/proc/%d/cgroup" % pid).read_text().splitlines()}
        assert any(group.startswith(daemon.options["--cgroup-parent"] + "/") for group in groups), groups


def test_an_image_in_one_daemon_is_in_no_other(machine, teams, play):
    before = {service: machine.images(service) for service in teams}
    assert all(len(images) == 1 for images in before.values())
    here = "app1-int/svc1"
    run = play("docker", "-e", "svc=" + here, "-e", "docker_args=import /srv/images/busybox.tar test/other:1")
    new = run.result["services"][here]["stdout"].strip().partition(":")[2]
    assert machine.images(here) == before[here] | {new}
    for service in teams:
        names = machine.docker(service, "images", "--format", "{{.Repository}}").split()
        if service == here:
            assert sorted(names) == ["test/busybox", "test/other"]
        else:
            assert names == ["test/busybox"]
            assert machine.images(service) == before[service]
    machine.docker(here, "rmi", "test/other:1")
