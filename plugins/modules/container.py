#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Start and stop one container of a service
version_added: 1.0.0
description:
  - Runs the container on the first start, starts the same one later, and waits until it is really up.
  - For your own roles. M(dockyard.svc.service) does this for whole services, in order, with their daemon.
options:
  state:
    description: Whether the container is to run.
    type: str
    choices: [started, stopped]
    default: started
  data_root:
    description: The data root of the private daemon of the service. Without it the node's own daemon is used.
    type: path
extends_documentation_fragment:
  - dockyard.svc.resource
  - dockyard.svc.resource.container
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.single
seealso:
  - module: dockyard.svc.dockerd
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Run a builder in the private daemon of a service
  dockyard.svc.container:
    service: tools/builder
    data_root: /srv/tools/builder/docker
    image: example/builder:3
    run_args: [--memory, 512m]
    volume_mounts:
      - /srv/tools/builder/work:/work
"""

RETURN = r"""
status:
  description: State, label, remarks and facts of the container after the action.
  returned: success
  type: dict
commands:
  description: The commands, in order, with exit code, seconds and output. In check mode those that would have run.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import (
    NODE_OPTIONS,
    finish,
    keyword_options,
    make_host,
    parse_one,
    section,
)
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import CONTAINER_DOCKER
from ansible_collections.dockyard.svc.plugins.module_utils.engine import single


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "index": {"type": "str", "default": "0"},
            "node": {"type": "str"},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "data_root": {"type": "path"},
            **keyword_options(CONTAINER_DOCKER),
            **NODE_OPTIONS,
        },
        supports_check_mode=True,
    )
    options = module.params
    container = section(module, CONTAINER_DOCKER)
    raw = {"docker_data_dir": options["data_root"], "container#" + options["index"]: container}
    definition = parse_one(module, options["service"], raw)
    finish(module, single.act_on_container(definition, make_host(module), options["state"], module.check_mode))


if __name__ == "__main__":
    main()
