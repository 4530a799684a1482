#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_alias
short_description: Put an address on a network interface, and take it away
version_added: 1.1.0
description:
  - Asks the network whether somebody else has the address before it adds it, and tells the neighbours afterwards.
  - Takes exactly this one address away, and proves that no interface has it any more.
  - For your own roles. M(dockyard.svc.service) does this for whole services, with all their resources in order.
extends_documentation_fragment:
  - dockyard.svc.resource
  - dockyard.svc.resource.ip_alias
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.single
seealso:
  - module: dockyard.svc.mount
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Give the service its address
  dockyard.svc.ip_alias:
    service: tools/builder
    ipname: 192.0.2.25
    ipdev: eth0
    netmask: "24"

- name: Take it away
  dockyard.svc.ip_alias:
    service: tools/builder
    state: stopped
    ipname: 192.0.2.25
    ipdev: eth0
"""

RETURN = r"""
status:
  description: State, label, remarks and facts of the resource after the action.
  returned: success
  type: dict
evidence:
  description: What proves the release of the resource after a stop.
  returned: always
  type: dict
commands:
  description: The commands, in order, with exit code, seconds and output. In check mode those that would have run.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import (
    fault_step,
    finish,
    make_host,
    parse_resource,
    resource_options,
)
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import IP_HOST
from ansible_collections.dockyard.svc.plugins.module_utils.engine import single


def main() -> None:
    module = AnsibleModule(argument_spec=resource_options(IP_HOST), supports_check_mode=True)
    definition = parse_resource(module, "ip", IP_HOST)
    state = module.params["state"]
    finish(module, single.act_on_resource(definition, make_host(module), state, module.check_mode, fault_step()))


if __name__ == "__main__":
    main()
