"""What the playbooks status, monitor and docker print and return."""

from __future__ import annotations

import re

import pytest


def test_status_prints_the_tree_of_the_service(play):
    run = play("status", "-e", "svc=app1-prd/svc1")
    shape = [
        r"app1-prd/svc1 +up",
        r"`- instances",
        r"   `- localhost +up +idle, started",
        r"      `- container#0 +\.{8} up +docker container app1-prd\.\.svc1\.container\.0@test/busybox",
    ]
    lines = run.result["lines"]
    assert len(lines) == len(shape)
    for line, pattern in zip(lines, shape):
        assert re.fullmatch(pattern, line), line
    assert "\n".join(lines) + "\n" in run.text  # verbatim, not as an escaped string
    assert len({line.index(" up ") for line in lines[2:]}) == 1  # one column
    assert "changed=0" in run.text


def test_status_of_a_pattern_prints_every_tree(play, teams):
    lines = play("status", "-e", "svc=app2-*/*").result["lines"]
    heads = [line.split()[0] for line in lines if line[0] not in " `"]
    assert heads == [service for service, team in teams.items() if team == "team2"]


def test_monitor_prints_one_row_a_service(play, teams):
    run = play("monitor", "-e", "svc=app*-*/*")
    header, *rows = run.result["lines"]
    assert header.split()[0] == "Services"
    assert header.split()[-1] == "localhost"
    assert [row.split()[0] for row in rows] == sorted(teams)
    for row in rows:
        assert re.fullmatch(r" app\d-\w+/svc1 +(DEV|INT|PRD) +n/a +n/a +n/a +up +up +up +False +\| +O", row), row
    assert "\n".join(run.result["lines"]) + "\n" in run.text


def test_monitor_tells_services_that_are_down(play):
    rows = play("monitor", "-e", "svc=*/*").result["lines"][1:]
    marks = {row.split()[0]: row.split()[-1] for row in rows}
    assert marks["net/blue"] == marks["net/green"] == "X"
    assert marks["app1-prd/svc1"] == "O"


def test_docker_prints_what_docker_prints(play, machine):
    run = play("docker", "-e", "svc=app1-prd/svc1", "-e", "docker_args=ps -a")
    outcome = run.result["services"]["app1-prd/svc1"]
    assert outcome["cmd"] == "docker --host unix://%s ps -a" % machine.socket("app1-prd/svc1")
    assert run.result["rc"] == outcome["rc"] == 0
    assert not run.changed
    header, row = outcome["stdout"].splitlines()
    assert header.startswith("CONTAINER ID")
    assert row.endswith("app1-prd..svc1.container.0")
    assert outcome["stdout"] in run.text
    assert "localhost.app1-prd/svc1" not in run.text  # there is no other


def test_docker_runs_once_for_each_service_and_says_whose_output_it_is(play, teams):
    run = play("docker", "-e", "svc=app*-*/*", "-e", "docker_args=images")
    assert list(run.result["services"]) == list(teams)
    assert run.text.count("REPOSITORY") == 6
    lines = run.text.splitlines()
    for service, outcome in run.result["services"].items():
        head = lines.index("localhost.%s  %s" % (service, outcome["cmd"]))
        assert lines[head + 1].startswith("REPOSITORY")
    assert run.text.count("test/busybox") == 6


def test_docker_replaces_the_name_of_a_container(play):
    run = play(
        "docker", "-e", "svc=app2-dev/svc1", "-e", "docker_args=exec {container#0} /bin/busybox echo 'a  b' $HOME"
    )
    outcome = run.result["services"]["app2-dev/svc1"]
    assert " exec app2-dev..svc1.container.0 " in outcome["cmd"]
    assert outcome["stdout"] == "a  b $HOME\n"  # one word, and no shell


def test_docker_returns_the_real_exit_code(play):
    run = play(
        "docker", "-e", "svc=app1-prd/svc1", "-e", "docker_args=exec {container#0} /bin/busybox sh -c 'exit 7'", rc=2
    )
    assert run.result["rc"] == run.result["services"]["app1-prd/svc1"]["rc"] == 7
    assert "failed=1" in run.text


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("exec {container#9} true", "the service app1-prd/svc1 has no container#9"),
        ("--host=tcp://127.0.0.1:1 ps", "refused: the command runs on the service's own socket"),
    ],
)
def test_docker_refuses(play, arguments, message):
    run = play("docker", "-e", "svc=app1-prd/svc1", "-e", "docker_args=" + arguments, rc=2)
    assert message in run.result["msg"]
    assert run.result["rc"] == 125
