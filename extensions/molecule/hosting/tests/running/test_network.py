"""Two services that publish a port, each on a bridge and a subnet of its own."""

from __future__ import annotations

import json

import pytest

BLUE, GREEN = "net/blue", "net/green"
PORT = {BLUE: 8081, GREEN: 8082}


@pytest.fixture(scope="module", autouse=True)
def started(play):
    play("start", "-e", "svc=net/*")
    yield
    play("stop", "-e", "svc=net/*")


def web(service):
    return service.replace("/", "..") + ".container.0"


def beside(service):
    """The container next to the web server."""
    return service.replace("/", "..") + ".container.1"


def network(machine, service):
    """Address, gateway and MAC address of the web server."""
    facts = machine.containers(service)[web(service)]["NetworkSettings"]["Networks"]["bridge"]
    return facts["IPAddress"], facts["Gateway"], facts["MacAddress"]


def page(machine, url):
    """What the web server at a URL says, asked from the node."""
    return machine.host.run("timeout 5 /bin/busybox wget -q -O - %s", url)


def fetch(machine, service, url):
    """The same, asked from the container beside the web server of a service."""
    words = ("exec", beside(service), *"/bin/busybox timeout 3 /bin/busybox wget -q -O -".split(), url)
    return machine.host.run("docker --host unix://%s " + " ".join(["%s"] * len(words)), machine.socket(service), *words)


def surroundings(machine, service):
    """All that another service's action could disturb, and must not."""
    bridge = machine.daemons()[service].options["--bridge"]
    table = "dockyard_" + bridge[2:]
    address = json.loads(machine.host.check_output("ip -json address show dev %s", bridge))
    return {
        "life": machine.life([service]),
        "addresses": network(machine, service),
        "bridge": address,
        "ports": json.loads(machine.host.check_output("ip -json link show master %s", bridge)),
        "rules": machine.host.check_output("nft --stateless list table ip %s", table),
        "proxies": sorted(process.pid for process in machine.host.process.filter(ppid=machine.daemons()[service].pid)),
    }


def test_each_service_has_a_bridge_and_a_table_of_its_own(machine):
    daemons = machine.daemons()
    bridges = [daemons[service].options["--bridge"] for service in (BLUE, GREEN)]
    assert machine.interfaces("dy") == sorted(bridges)
    assert machine.tables() == sorted("dockyard_" + bridge[2:] for bridge in bridges)
    assert machine.interfaces("docker") == []
    blue, green = network(machine, BLUE), network(machine, GREEN)
    assert all(one != other for one, other in zip(blue, green))


@pytest.mark.parametrize("service", [BLUE, GREEN])
def test_the_published_port_is_reachable_from_the_node(machine, service):
    answer = page(machine, "http://127.0.0.1:%d/hostname" % PORT[service])
    assert answer.rc == 0, answer.stderr
    assert answer.stdout.strip() == service.partition("/")[2]


@pytest.mark.parametrize("service, other", [(BLUE, GREEN), (GREEN, BLUE)])
def test_containers_of_different_services_cannot_reach_one_another(machine, service, other):
    assert machine.host.file("/proc/sys/net/ipv4/ip_forward").content_string.strip() == "1"
    address, gateway, _mac = network(machine, service)
    stranger, _gateway, _mac = network(machine, other)
    own = fetch(machine, service, "http://%s/hostname" % address)
    assert own.stdout.strip() == service.partition("/")[2], own.stderr
    assert page(machine, "http://%s/hostname" % stranger).rc == 0  # it is there, for the node
    reached = fetch(machine, service, "http://%s/hostname" % stranger)
    assert reached.rc == 143  # no answer at all, until busybox's timeout ended it
    published = fetch(machine, service, "http://%s:%d/hostname" % (gateway, PORT[other]))
    assert published.stdout.strip() == other.partition("/")[2]  # a published port is for everybody


def test_a_restart_changes_nothing_that_the_other_can_observe(play, machine):
    before, own = surroundings(machine, GREEN), network(machine, BLUE)
    six = machine.life([service for service in machine.daemons() if not service.startswith("net/")])
    assert play("restart", "-e", "svc=" + BLUE).changed
    assert surroundings(machine, GREEN) == before
    assert machine.life(six) == six
    assert network(machine, BLUE) == own  # the same subnet and address again
    for service in (BLUE, GREEN):
        assert page(machine, "http://127.0.0.1:%d/hostname" % PORT[service]).rc == 0


def test_a_stop_takes_bridge_and_rules_away_and_those_of_the_other_stay(play, machine):
    before = surroundings(machine, GREEN)
    bridge = machine.daemons()[BLUE].options["--bridge"]
    play("stop", "-e", "svc=" + BLUE)
    assert bridge not in machine.interfaces("dy")
    assert "dockyard_" + bridge[2:] not in machine.tables()
    assert page(machine, "http://127.0.0.1:%d/hostname" % PORT[BLUE]).rc != 0
    assert surroundings(machine, GREEN) == before
    play("start", "-e", "svc=" + BLUE)
    assert surroundings(machine, GREEN) == before
