"""What the playbooks say of several nodes: those that cannot be reached, that were not asked, and that nobody knows."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.dockyard.svc.tests.playbooks import run_playbook

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
GONE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def tmpfs(**keywords):
    return {"fs#0": {"type": "tmpfs", "mnt": "/srv/hosts/{nodename}/{svcpath}", "size": "1m"}, **keywords}


SERVICES = {
    "a/here": tmpfs(nodes=["node1", "gone"]),
    "a/there": tmpfs(nodes="gone"),
    "a/both": tmpfs(nodes="node1 node2"),
    "a/typo": tmpfs(nodes="nod1"),
}


@pytest.fixture
def inventory(tmp_path):
    """An inventory of three nodes, of which two are this machine, and of a service folder beside it."""

    def write(*hosts, **variables):
        known = {"node1": LOCAL, "node2": LOCAL, "gone": GONE}
        file = tmp_path / "inventory.json"  # YAML reads JSON
        content = {
            "hosts": {host: known[host] for host in hosts},
            "vars": {"dockyard_services": SERVICES, **variables},
        }
        file.write_text(json.dumps({"all": content}))
        return file

    return write


@pytest.fixture
def play(tmp_path_factory):
    def run(inventory, playbook, *arguments, **more):
        return run_playbook(inventory, tmp_path_factory, playbook, *arguments, host="node1", **more)

    return run


def signs(lines):
    """Overall, and the sign of each node, by service."""
    nodes = lines[0].split()[9:]
    return {row[0]: (row[7], dict(zip(nodes, row[10:]))) for row in (line.split() for line in lines[1:])}


def test_a_node_that_cannot_be_reached_is_not_down(inventory, play):
    hosts = inventory("node1", "node2", "gone")
    table = signs(play(hosts, "monitor", rc=4).result["lines"])
    assert table == {
        "a/both": ("down", {"node1": "X", "node2": "X", "gone": "/", "nod1": "/"}),
        "a/here": ("undef", {"node1": "X", "node2": "/", "gone": "?", "nod1": "/"}),
        "a/there": ("undef", {"node1": "/", "node2": "/", "gone": "?", "nod1": "/"}),
        "a/typo": ("undef", {"node1": "/", "node2": "/", "gone": "/", "nod1": "?"}),
    }
    tree = play(hosts, "status", "-e", "svc=a/there", rc=4).result["lines"]
    assert [line.split(None, 3) for line in tree] == [
        ["a/there", "undef"],
        ["`-", "instances"],
        ["`-", "gone", "undef", "could not be reached or read"],
    ]


def test_a_node_outside_the_limit_was_not_asked(inventory, play):
    run = play(inventory("node1", "node2"), "monitor", "--limit", "node1", "-e", "svc=a/both")
    assert signs(run.result["lines"]) == {"a/both": ("undef", {"node1": "X", "node2": "?"})}


def test_what_runs_on_none_of_the_hosts_is_told(inventory, play):
    run = play(inventory("node1", "node2"), "start", "-e", "svc=a/typo")
    assert not run.changed
    assert "a/typo does not run on node1 (nodes: nod1)" in run.text
    assert "[WARNING]: not in the inventory: nod1 (nodes of a/typo)" in run.text
    run = play(inventory("node1", "node2"), "start", "--limit", "node1", "-e", "svc=a/there", "--check")
    assert "a/there does not run on node1 (nodes: gone)" in run.text


def test_what_runs_on_one_of_the_hosts_is_not(inventory, play):
    run = play(inventory("node1", "node2"), "start", "-e", "svc=a/both,a/here", "--check")
    assert "does not run" not in run.text


@pytest.fixture
def ansible_playbook(tmp_path):
    """Run a play of one's own on these hosts; what it printed."""

    def run(inventory, *plays, rc=0):
        file = tmp_path / "play.json"
        file.write_text(json.dumps(plays))
        argv = ["ansible-playbook", "--inventory", str(inventory), str(file)]
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300
        )
        assert done.returncode == rc, done.stdout
        return done.stdout

    return run


@pytest.mark.parametrize(("entry", "how"), [("monitor", {"serial": 1}), ("status", {"strategy": "free"})])
def test_hosts_that_are_not_read_yet_are_no_error(inventory, ansible_playbook, entry, how):
    role = {"import_role": {"name": "dockyard.svc.service", "tasks_from": entry}}
    text = ansible_playbook(
        inventory("node1", "node2"), {"hosts": "all", "gather_facts": False, "tasks": [role], **how}
    )
    # One table for each batch, or host; the strategy free prints them in any order. The one made last knows both hosts.
    overall = [line for line in text.splitlines() if line.split()[:1] == ["a/both"]]
    assert any(" down" in line and "undef" not in line for line in overall), text


def test_a_delegated_task_acts_for_the_other_node(inventory, ansible_playbook):
    read = {
        "name": "Read",
        "dockyard.svc.service_info": {"services": SERVICES, "svc": "a/both"},
        "delegate_to": "{{ item }}",
        "loop": ["node2", "localhost"],
        "register": "read",
    }
    nodes = (
        "{{ read.results | map(attribute='services') | map(attribute='a/both') | map(attribute='node') | join(' ') }}"
    )
    text = ansible_playbook(
        inventory("node1", "node2"),
        {"hosts": "node1", "gather_facts": False, "tasks": [read, {"debug": {"msg": "for " + nodes}}]},
    )
    assert '"msg": "for node2 localhost"' in text


def test_definitions_in_a_folder_beside_the_inventory(inventory, play, tmp_path):
    (tmp_path / "services" / "b" / "deep").mkdir(parents=True)
    (tmp_path / "services" / "b" / "one.json").write_text(json.dumps(tmpfs()))
    (tmp_path / "services" / "b" / "two.ini").touch()
    (tmp_path / "services" / "b" / "deep" / "three.conf").touch()
    hosts = inventory("node1")
    run = play(hosts, "status", "-e", "svc=b/*", "-e", "dockyard_services_dir=services")
    assert [line.split()[0] for line in run.result["lines"] if line[0] not in " `"] == ["b/one"]
    said = " ".join(run.text.split())
    assert "two.ini is no definition" in said and "three.conf is no definition" in said
    run = play(hosts, "status", "-e", "dockyard_services_dir=nowhere", rc=2)
    assert "there is no folder nowhere" in run.result["msg"] and str(tmp_path) in run.result["msg"]


REFUSED = [
    ({"dockyard_services": json.dumps(SERVICES)}, "must be a mapping from service paths to definitions, not a text"),
    ({"dockyard_network_pool": "10.0.0.0"}, "network_pool (dockyard_network_pool): '10.0.0.0' is too small"),
    ({"dockyard_run_dir": "run/x"}, "run_dir (dockyard_run_dir): 'run/x' must be an absolute path"),
    ({"rid": []}, "rid names nothing"),
]


@pytest.mark.parametrize(("variables", "sentence"), REFUSED, ids=str)
def test_a_variable_that_cannot_be_used_is_told_in_check_mode_too(inventory, play, variables, sentence):
    run = play(inventory("node1"), "start", "-e", "svc=a/both", "-e", json.dumps(variables), "--check", rc=2)
    assert sentence in run.result["msg"]
    assert "_Ansible" not in run.text


def test_variables_may_be_lists(inventory, play):
    chosen = {"svc": ["a/both", "a/here"], "rid": ["fs#0"], "confirm": "a/both, a/here"}
    run = play(inventory("node1"), "unprovision", "-e", json.dumps(chosen), "--check")
    assert set(run.result["services"]) == {"a/both", "a/here"}


MODULES = [
    (
        {"dockyard.svc.container": {"service": "a/one", "image": "i"}},
        "docker daemon is not running: start the node's docker daemon, or give the data_root of a private one",
    ),
    (
        {"dockyard.svc.container": {"service": "a/one", "image": "i", "data_root": "/srv/a/one"}},
        "docker daemon is not running: start it with dockyard.svc.dockerd first",
    ),
    (
        {"dockyard.svc.dockerd": {"service": "a/one", "data_root": "/srv/a/one", "run_dir": "/run/" + "x" * 90}},
        "characters, 107 is the most: choose a shorter run_dir",
    ),
    (
        {"dockyard.svc.mount": {"service": "a/one", "type": "tmpfs", "mnt": "/srv/a/one", "perm": 504}},
        "keyword perm: '504' must stand in quotes",
    ),
]


def test_what_the_modules_advise(inventory, ansible_playbook):
    tasks = [{**task, "ignore_errors": True} for task, _sentence in MODULES]
    text = ansible_playbook(inventory("node1"), {"hosts": "node1", "gather_facts": False, "tasks": tasks})
    assert [sentence for _task, sentence in MODULES if sentence not in text] == [], text
    assert "ignored=%d" % len(MODULES) in text and "stop the service" not in text
