"""After the stop of every service the machine holds nothing of them but their data, state and logs."""

from __future__ import annotations

import os
from pathlib import Path


def test_no_process_is_left(machine):
    running = [process.args for process in machine.host.process.filter()]
    ours = ("dockerd", "containerd", "docker-proxy", "docker-containerd", "runc")
    assert [line for line in running if os.path.basename(line.split()[0]).startswith(ours)] == []
    assert [line for line in running if "sleep 3600" in line or "httpd" in line] == []


def test_no_mount_is_left(machine):
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert [point for point in points if point.startswith(("/run/", "/srv/"))] == []


def test_no_socket_is_left(machine):
    assert list(Path("/run/dockyard").rglob("*.sock")) == []
    assert [line for line in Path("/proc/net/unix").read_text().splitlines() if "dockyard" in line] == []
    assert machine.host.check_output("ss --no-header --listening --tcp --udp") == ""


def test_no_pid_file_and_no_exec_root_is_left():
    assert list(Path("/run/dockyard").rglob("*.pid")) == []
    assert list(Path("/run/dockyard/x").iterdir()) == []


def test_no_interface_and_no_rule_is_left(machine):
    assert machine.interfaces("") == ["lo"]
    assert machine.tables() == []
    assert machine.host.check_output("nft list ruleset") == ""


def test_no_control_group_is_left():
    groups = [path for path in Path("/sys/fs/cgroup").rglob("dockyard*") if path.is_dir()]
    assert [path for group in groups for path in group.iterdir() if path.is_dir()] == []


def test_stopping_again_changes_nothing(play):
    run = play("stop")
    assert not run.changed
    assert all(run.commands(service) == [] for service in run.result["services"])


def test_data_state_and_logs_stay(teams):
    for service in teams:
        slug = service.replace("/", "..")
        assert Path("/srv/%s/docker/containers" % service).is_dir()
        assert Path("/var/lib/dockyard/%s/record.json" % slug).is_file()
        log = Path("/var/log/dockyard/%s.log" % slug).read_text()
        assert "docker --host unix:///run/dockyard/%s/docker.sock run --detach" % slug in log
        assert "docker --host unix:///run/dockyard/%s/docker.sock stop" % slug in log
