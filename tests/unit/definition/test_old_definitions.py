# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service files as they were written ten years ago: they mean what they meant."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import read_directory
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.secrets import join_secrets, split_secrets
from ansible_collections.dockyard.svc.plugins.module_utils.definition.selection import select_resources

ONE_CONTAINER = """
[DEFAULT]
autostart_node = left.example.net
app = LEDGER
service_type = DEV
nodes = left.example.net
docker_data_dir = /data/books.example.net/images

[container#1]
type = docker
run_image = 0a1b2c3d4e5f
run_command = /bin/sh -c 'while :; do sleep 9; done'
run_args = -v /data/books.example.net/vol1:/vol1:rw

[ip#1]
ipdev = eth1
ipname = books.example.net

[vg#1]
vgname = vgbooks

[fs#1]
mnt_opt = rw
mnt = /data/books.example.net
dev = /dev/mapper/vgbooks-root
type = ext4

[fs#2]
mnt_opts = rw,noatime
mnt = /data/books.example.net/images
dev = /dev/mapper/vgbooks-images
type = ext4
"""

THREE_CONTAINERS = """
[DEFAULT]
autostart_node = left.example.net
app = LEDGER
service_type = PRD
nodes = left.example.net right.example.net
docker_data_dir = /data/shop.example.net/images
docker_daemon_args = --ip 192.0.2.25

[container#1]
type = docker
run_image = 0a1b2c3d4e5f
run_command = /bin/sh

[container#2]
type = docker
run_image = 1a1b2c3d4e5f
run_args = -v /data/shop.example.net/docker.sock:/docker.sock -p 8080:8000

[container#3]
type = docker
run_image = 2a1b2c3d4e5f
run_args = -v /data/shop.example.net/vol1:/vol1:rw -p 2222:22

[ip#1]
ipdev = eth1
ipname = shop.example.net

[vg#1]
vgname = vgshop

[fs#1]
mnt_opt = rw
mnt = /data/shop.example.net
dev = /dev/mapper/vgshop-root
type = ext4

[fs#2]
mnt_opts = rw
mnt = /data/shop.example.net/images
dev = /dev/mapper/vgshop-images
type = ext4
"""


@pytest.fixture
def services(tmp_path):
    (tmp_path / "books.example.net.env").write_text(ONE_CONTAINER)
    (tmp_path / "shop.example.net.env").write_text(THREE_CONTAINERS)
    return parse_all(join_secrets(*split_secrets(read_directory(str(tmp_path)))), "left.example.net")


def test_the_service_of_one_container(services):
    service = services["books.example.net"]
    assert (service.values["env"], service.values["app"], service.values["nodes"]) == (
        "DEV",
        "LEDGER",
        ["left.example.net"],
    )
    assert service.private and service.values["docker_data_dir"] == "/data/books.example.net/images"
    assert [(r.rid, r.type) for r in service.resources] == [
        ("ip#1", "host"),
        ("disk#1", "vg"),
        ("fs#1", "ext4"),
        ("fs#2", "ext4"),
        ("container#1", "docker"),
    ]
    address, disk, _root, images, container = (resource.values for resource in service.resources)
    assert (address["ipdev"], address["ipname"]) == ("eth1", "books.example.net")
    assert disk["name"] == "vgbooks"
    assert (images["mnt"], images["dev"], images["mnt_opt"]) == (
        "/data/books.example.net/images",
        "/dev/mapper/vgbooks-images",
        "rw,noatime",
    )
    assert container["image"] == "0a1b2c3d4e5f"
    assert container["command"] == ["/bin/sh", "-c", "while :; do sleep 9; done"]
    assert container["run_args"] == ["-v", "/data/books.example.net/vol1:/vol1:rw"]
    assert service.path.container_name("1") == "books.example.net.container.1"


def test_the_service_of_three_containers(services):
    service = services["shop.example.net"]
    assert service.values["docker_daemon_args"] == ["--ip", "192.0.2.25"]
    containers = [resource.values for resource in service.resources if resource.group == "container"]
    assert [values["image"] for values in containers] == ["0a1b2c3d4e5f", "1a1b2c3d4e5f", "2a1b2c3d4e5f"]
    assert [values["command"] for values in containers] == [["/bin/sh"], (), ()]
    assert containers[1]["run_args"][-2:] == ["-p", "8080:8000"]
    assert all(values["tty"] and values["interactive"] for values in containers)  # they were run with -t -i -d


def test_nothing_but_an_action_starts_a_service(services):
    assert all("autostart_node" not in service.values for service in services.values())


def test_resources_answer_to_their_older_names(services):
    assert select_resources("vg#1,container#1", services) == dict.fromkeys(services, ("disk#1", "container#1"))
