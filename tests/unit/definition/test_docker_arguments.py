# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments for dockerd and for docker run: what a service may be given, and what would take it apart."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.docker_arguments import network, run_options
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse

PATH = "app1-prd/svc1"


def refused(raw):
    with pytest.raises(DefinitionError) as caught:
        parse(PATH, raw, "n1")
    return str(caught.value)


def with_container(**keywords):
    return {"docker_data_dir": "/srv/d", "container#0": {"image": "i", **keywords}, "container#1": {"image": "i"}}


def with_daemon(arguments):
    return {**with_container(), "docker_daemon_args": arguments}


DAEMON_ALLOWED = [
    ("--ip 192.0.2.25", ["--ip", "192.0.2.25"]),
    ("", []),
    (["--mtu", 1400], ["--mtu", "1400"]),
    ("-D -l warn -s overlay2 --debug", ["-D", "-l", "warn", "-s", "overlay2", "--debug"]),
    ("--log-opt max-size=10m --storage-opt=size=5G", ["--log-opt", "max-size=10m", "--storage-opt=size=5G"]),
    (
        "--registry-mirror https://mirror.example --userns-remap=default",
        ["--registry-mirror", "https://mirror.example", "--userns-remap=default"],
    ),
    ("--label 'site=north hall'", ["--label", "site=north hall"]),
]

DAEMON_REFUSED = [
    ("--host tcp://0.0.0.0:2375", "--host is refused: the daemon listens on the service's own socket"),
    ("--host=unix:///tmp/x.sock", "--host is refused"),
    ("--hosts=tcp://0.0.0.0:2375", "--hosts is refused"),
    ("-H tcp://0.0.0.0:2375", "'-H' is refused"),
    ("-Htcp://0.0.0.0:2375", "'-Htcp://0.0.0.0:2375' is refused"),
    ("-DH tcp://0.0.0.0", "'-DH' is refused"),
    ("--label --host=tcp://0.0.0.0:2375", "--host is refused"),
    ("--label TCP://0.0.0.0:2375", "own socket and nowhere else"),
    ("--label ' fd://'", "own socket and nowhere else"),
    ("--live-restore", "containers would outlive a daemon"),
    ("--live-restore=true", "containers would outlive a daemon"),
    ("--metrics-addr 0.0.0.0:9323", "tcp socket"),
    ("--tls", "tcp socket"),
    ("--tlscacert=/x", "tcp socket"),
    ("--config-file /etc/docker/daemon.json", "configuration file of its own"),
    ("--containerd=/run/containerd/containerd.sock", "its own containerd"),
    ("--data-root /srv/other", "it is the keyword docker_data_dir"),
    ("-g /srv/other", "'-g' is refused"),
    ("--graph=/srv/other", "it is the keyword docker_data_dir"),
    ("--group docker", "it is the keyword docker_socket_group"),
    ("-G docker", "'-G' is refused"),
    ("--pidfile /x -p /x", "--pidfile is refused"),
    ("--exec-root /run/docker", "the service sets it itself"),
    ("--cgroup-parent /", "the service sets it itself"),
    ("--exec-opt native.cgroupdriver=systemd", "native.cgroupdriver is refused"),
    ("--exec-opt=native.cgroupdriver=systemd", "native.cgroupdriver is refused"),
    (["--exec-opt", " Native.CgroupDriver=systemd"], "native.cgroupdriver is refused"),
    ("--bridge docker0", "a bridge of its own"),
    ("-b docker0", "'-b' is refused"),
    ("--bip 172.17.0.1/16", "docker_subnet"),
    ("--default-address-pool base=10.0.0.0/8,size=24", "docker_subnet"),
    ("--iptables", "shared chains"),
    ("--iptables=true", "shared chains"),
    ("--firewall-backend=iptables", "shared chains"),
    ("--userland-proxy=false", "published ports"),
    ("--shutdown-timeout 5", "stop_timeout"),
    ("--version", "would not run"),
    ("--validate", "would not run"),
    ("rm", "'rm' is not an option"),
    ("--mtu=1400 extra", "'extra' is not an option"),
    ("-l=warn extra", "'extra' is not an option"),
    ("--", "'--' is not an option"),
    ("---host=tcp://x", "is not an option"),
    ("'--Host=x'", "is not an option"),
    ("-", "'-' is refused"),
    (["--label", "a\nb"], "line break or a control character"),
    (["--label", "a\x1b[2J"], "control character"),
    ("--label 'x", "cannot be split"),
    ({"debug": True}, "must be a text, not a mapping"),
    (["--dns 192.0.2.1"], "'--dns 192.0.2.1' is not an option: give '--dns' and '192.0.2.1' as two items"),
]


@pytest.mark.parametrize(("written", "words"), DAEMON_ALLOWED)
def test_daemon_arguments_that_pass_unchanged(written, words):
    assert parse(PATH, with_daemon(written), "n1").values["docker_daemon_args"] == words


@pytest.mark.parametrize(("written", "sentence"), DAEMON_REFUSED)
def test_daemon_arguments_that_would_break_the_independence(written, sentence):
    message = refused(with_daemon(written))
    assert "%s, section [DEFAULT], keyword docker_daemon_args" % PATH in message
    assert sentence in message


OPTIONS = [
    ("-it", [("interactive", ""), ("tty", "")]),
    ("-p80:80", [("publish", "80:80")]),
    ("-p=80:80", [("publish", "80:80")]),
    ("-p 80:80", [("publish", "80:80")]),
    ("--publish=80:80 --publish 81:81", [("publish", "80:80"), ("publish", "81:81")]),
    ("-itp80:80", [("interactive", ""), ("tty", ""), ("publish", "80:80")]),
    ("-ite A=1", [("interactive", ""), ("tty", ""), ("env", "A=1")]),
    ("-e A=*", [("env", "A=*")]),
    ("-e A=1=2", [("env", "A=1=2")]),
    ("-e --restart=always", [("env", "--restart=always")]),
    ("-v '/a b:/c'", [("volume", "/a b:/c")]),
    ("--init --read-only -P", [("init", ""), ("read-only", ""), ("publish-all", "")]),
    ("--privileged=false", [("privileged", "false")]),
    ("--new-option=5", [("new-option", "5")]),
    ("", []),
]


@pytest.mark.parametrize(("written", "options"), OPTIONS)
def test_run_arguments_are_read_as_docker_reads_them(written, options):
    words = parse(PATH, with_container(run_args=written), "n1").resources[0].values["run_args"]
    assert run_options(words) == options


RUN_REFUSED = [
    (["-p 8085:80"], "'-p 8085:80' is no option: give '-p' and '8085:80' as two items"),
    (["-itp 8085:80"], "give '-itp' and '8085:80' as two items"),
    (["--memory 512m"], "'--memory 512m' is no option: give '--memory' and '512m' as two items"),
    (["--rm", "-v /a:/b"], "give '-v' and '/a:/b' as two items"),
    ("-d", "--detach is refused"),
    ("-dit", "--detach is refused"),
    ("-itd", "--detach is refused"),
    ("--detach=false", "--detach is refused"),
    ("--name x", "--name is refused: the name of the container tells"),
    ("--name=x", "--name is refused"),
    ("--restart=always", "--restart is refused: the service decides"),
    ("--restart always", "--restart is refused"),
    ("--rm", "write rm: true"),
    ("--rm=false", "write rm: true"),
    ("-a stdout", "--attach is refused"),
    ("--cidfile /x", "--cidfile is refused"),
    ("--cgroup-parent=/", "--cgroup-parent is refused"),
    ("--pull always", "write image_pull_policy"),
    ("--help", "--help is refused"),
    ("-l dockyard.svc.path=x", "labels dockyard.svc.* are refused"),
    ("--label ' dockyard.svc.path=x'", "labels dockyard.svc.* are refused"),
    ("--label-file /x", "labels dockyard.svc.* are refused"),
    ("busybox", "'busybox' is no option: docker would take it for the image"),
    ("-it busybox sh", "'busybox' is no option"),
    ("--init busybox", "'busybox' is no option"),
    ("--privileged=true busybox", "'busybox' is no option"),
    ("-p80:80 evil/image", "'evil/image' is no option"),
    ("-e A=* --privileged; id", "'--privileged;' is not a known option of docker run; did you mean privileged?"),
    ("--", "'--' is no option"),
    ("-- busybox", "'--' is no option"),
    ("-", "'-' is no option"),
    ("''", "'' is no option"),
    ("-e", "--env has no value"),
    ("-itp", "--publish has no value"),
    ("--volume", "--volume has no value"),
    ("-x", "-x in '-x' is not an option"),
    ("-i=false", "-= in '-i=false' is not an option"),
    ("--volum /a:/b", "did you mean volume?"),
    ("--boolean-of-tomorrow --restart=always", "a new one is written --option=value"),
    ("---restart=always", "is not a known option"),
    ("--=x", "is not a known option"),
    ("--Restart=always", "is not a known option"),
    ("-v /a:/b -v /c:/b/", "'/b/' is mounted twice"),
    ("-v /a/../etc:/b", "must not hold the component .."),
    ("--mount type=bind,source=/srv/../etc,target=/b", "must not hold the component .."),
    ("--tmpfs /t --mount type=tmpfs,dst=/t", "'/t' is mounted twice"),
    ("--network container#1", "write netns: container#1"),
    (["-p", 1342], "must stand in quotes"),
    ([None], "must be a text"),
    (["-e", "A=\x1b[2J"], "control character"),
]


@pytest.mark.parametrize(("written", "sentence"), RUN_REFUSED)
def test_run_arguments_that_fight_with_the_service(written, sentence):
    message = refused(with_container(run_args=written))
    assert "%s, section [container#0], keyword run_args" % PATH in message
    assert sentence in message


CONTAINER_REFUSED = [
    (
        {"netns": "host", "run_args": "--network none"},
        "run_args",
        "--network is refused: the keyword netns says it already",
    ),
    ({"net": "host", "run_args": "--net=none"}, "run_args", "--net is refused: the keyword netns says it already"),
    ({"user": "app", "run_args": "-u root"}, "run_args", "--user is refused: the keyword user says it already"),
    ({"privileged": "no", "run_args": "--privileged"}, "run_args", "--privileged is refused"),
    ({"tty": True, "run_args": "-it"}, "run_args", "--tty is refused"),
    ({"hostname": "h", "run_args": "-h x"}, "run_args", "--hostname is refused"),
    ({"entrypoint": "sh", "run_args": "--entrypoint=id"}, "run_args", "--entrypoint is refused"),
    ({"netns": "container#0"}, "netns", "'container#0' is not another container of the service"),
    ({"netns": "container#7"}, "netns", "'container#7' is not another container of the service"),
    ({"netns": "docker0"}, "netns", "'docker0' is not one of none, host, bridge, container#N"),
    ({"netns": "container:other"}, "netns", "is not one of none, host, bridge, container#N"),
    ({"image": "--privileged"}, "image", "not beginning with a sign"),
    ({"entrypoint": "--privileged"}, "entrypoint", "must not begin with a sign"),
    ({"hostname": "-x"}, "hostname", "not beginning with a sign"),
    ({"volume_mounts": "/a"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "/a:b"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": ":/b"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "./a:/b"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "../a:/b"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "/a/../etc:/b"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "/a:/b/.."}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "/a:/b:/c"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "/a:/b:ro:/c"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": "/a:/b:ro,exec"}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": ["--privileged:/b"]}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": ["/a\n:/b"]}, "volume_mounts", "must be source:/destination[:options]"),
    ({"volume_mounts": ["/a:/b", "/c:/b/"]}, "volume_mounts", "'/b/' is mounted twice"),
    ({"volume_mounts": ["/a:/b"], "run_args": "-v /etc:/b"}, "run_args", "'/b' is mounted twice"),
    (
        {"volume_mounts": ["/a:/b"], "run_args": "--mount type=bind,src=/etc,dst=/b/"},
        "run_args",
        "'/b/' is mounted twice",
    ),
    ({"devices": "/etc/shadow"}, "devices", "must be /dev/path"),
    ({"devices": "/dev/../etc/shadow"}, "devices", "must be /dev/path"),
    ({"devices": "/dev/sda:../x"}, "devices", "must be /dev/path"),
    ({"devices": "/dev/sda:/dev/x:rwx"}, "devices", "must be /dev/path"),
    ({"devices": "/dev/sda:/dev/x:rwm:r"}, "devices", "must be /dev/path"),
    ({"devices": ["/dev/sda\n"]}, "devices", "must be /dev/path"),
    ({"devices": ["-v"]}, "devices", "must be /dev/path"),
    ({"secrets": {"DOCKER_HOST": "x"}}, "secrets", "DOCKER_HOST would change the docker command itself"),
    ({"secrets": {"PATH": "x"}}, "secrets", "PATH would change"),
    ({"secrets": {"LD_PRELOAD": "x"}}, "secrets", "LD_PRELOAD would change"),
    ({"secrets": {"https_proxy": "x"}}, "secrets", "https_proxy would change"),
    ({"secrets": {"GODEBUG": "x"}}, "secrets", "GODEBUG would change"),
    ({"secrets": {"A": "x"}, "environment": {"A": "y"}}, "secrets", "A is in environment, too"),
]


@pytest.mark.parametrize(("keywords", "keyword", "sentence"), CONTAINER_REFUSED)
def test_container_keywords_that_lead_nowhere_or_too_far(keywords, keyword, sentence):
    message = refused(with_container(**keywords))
    assert "%s, section [container#0], keyword %s" % (PATH, keyword) in message
    assert sentence in message


CONTAINER_ALLOWED = [
    {"volume_mounts": "/a:/b:ro data:/c '/d e:/f'"},
    {"volume_mounts": ["/a:/b", "/a:/bb"], "run_args": "-v /run/d.sock:/docker.sock -v cache:/cache"},
    {"devices": "/dev/fuse /dev/sda:/dev/xvda:r /dev/null:rw"},
    {"secrets": {"GOOGLE_KEY": "x", "TOKEN": "y", "HOMEPAGE": "z"}},
    {"run_args": "--privileged --network mynet"},
    {"netns": "container#1"},
    {"command": ["--name", "x", "-d", "; id"]},
]


@pytest.mark.parametrize("keywords", CONTAINER_ALLOWED)
def test_container_keywords_that_are_as_they_should_be(keywords):
    parse(PATH, with_container(**keywords), "n1")


NETWORKS = [
    (None, [], "none"),
    (None, ["-p", "80:80"], "bridge"),
    (None, ["-P"], "bridge"),
    (None, ["--network", "mine"], "mine"),
    (None, ["--network=name=mine,alias=web"], "mine"),
    (None, ["--net=host", "-p80:80"], "host"),
    ("host", [], "host"),
    ("container#1", ["-p80:80"], "container#1"),
    ("none", ["-p80:80"], "none"),
    ("bridge", [], "bridge"),
]


@pytest.mark.parametrize(("keyword", "words", "expected"), NETWORKS)
def test_the_network_of_a_container(keyword, words, expected):
    assert network(keyword, run_options(words)) == expected
