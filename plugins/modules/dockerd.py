#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dockerd
short_description: Start and stop the private Docker daemon of a service
version_added: 1.0.0
description:
  - Manages one dockerd with its own socket, data root, exec root, pid file, containerd, control group and network.
  - For your own roles. M(dockyard.svc.service) starts and stops the daemon together with the containers that need it.
options:
  service:
    description: The path of the service, which is V(namespace/name), or V(name) in the root namespace.
    type: str
    required: true
  state:
    description: Whether the daemon is to run. A daemon in which containers run is not stopped.
    type: str
    choices: [started, stopped]
    default: started
  data_root:
    description: Where the daemon keeps images, containers and volumes.
    type: path
    required: true
  daemon_args:
    description: More arguments for dockerd, a list or a shell-like text. Those that break its independence are refused.
    type: raw
    default: []
  socket_group:
    description: The Unix group that may use the socket. Its members are as good as root on the node.
    type: str
    default: root
  subnet:
    description: The network of the daemon. By default a free /24 of O(network_pool).
    type: str
  bridge:
    description: Whether containers need a bridge, for published ports or a network between them.
    type: bool
    default: false
  start_timeout:
    description: How long the daemon may take to answer, such as V(30s).
    type: str
    default: 60s
  stop_timeout:
    description: How long the daemon may take to end, such as V(20s).
    type: str
    default: 20s
extends_documentation_fragment:
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.single
seealso:
  - module: dockyard.svc.container
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Run a Docker daemon for team1
  dockyard.svc.dockerd:
    service: tools/builder
    data_root: /srv/tools/builder/docker
    socket_group: team1
    bridge: true
"""

RETURN = r"""
status:
  description: State, reason, pid and socket of the daemon after the action.
  returned: success
  type: dict
commands:
  description: The commands, in order, with exit code, seconds and output. In check mode those that would have run.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import NODE_OPTIONS, finish, make_host, parse_one
from ansible_collections.dockyard.svc.plugins.module_utils.engine import single


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "data_root": {"type": "path", "required": True},
            "daemon_args": {"type": "raw", "default": []},
            "socket_group": {"type": "str", "default": "root"},
            "subnet": {"type": "str"},
            "bridge": {"type": "bool", "default": False},
            "start_timeout": {"type": "str", "default": "60s"},
            "stop_timeout": {"type": "str", "default": "20s"},
            **NODE_OPTIONS,
        },
        supports_check_mode=True,
    )
    options = module.params
    raw = {
        "docker_data_dir": options["data_root"],
        "docker_daemon_args": options["daemon_args"],
        "docker_socket_group": options["socket_group"],
        "docker_subnet": options["subnet"],
        "docker_start_timeout": options["start_timeout"],
        "docker_stop_timeout": options["stop_timeout"],
    }
    definition = parse_one(module, options["service"], raw)
    host = make_host(module)
    finish(module, single.act_on_daemon(definition, host, options["bridge"], options["state"], module.check_mode))


if __name__ == "__main__":
    main()
