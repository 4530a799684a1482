#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_group
short_description: Activate an LVM volume group on this node, and release it
version_added: 1.1.0
description:
  - Marks the group with the name of the node, so that no two nodes use it at once, and activates its logical volumes.
  - A group that carries the mark of another node, that lacks a physical volume, or that has one twice is refused.
  - For your own roles. M(dockyard.svc.service) does this for whole services, with all their resources in order.
extends_documentation_fragment:
  - dockyard.svc.resource
  - dockyard.svc.resource.volume_group
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.single
seealso:
  - module: dockyard.svc.logical_volume
  - module: dockyard.svc.mount
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Activate the volume group of the service
  dockyard.svc.volume_group:
    service: tools/builder
    name: vgbuilder

- name: Make the volume group
  dockyard.svc.volume_group:
    service: tools/builder
    state: provisioned
    name: vgbuilder
    pvs: [/dev/sdb]
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
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import DISK_VG
from ansible_collections.dockyard.svc.plugins.module_utils.engine import single


def main() -> None:
    module = AnsibleModule(argument_spec=resource_options(DISK_VG), supports_check_mode=True)
    definition = parse_resource(module, "disk", DISK_VG)
    state = module.params["state"]
    finish(module, single.act_on_resource(definition, make_host(module), state, module.check_mode, fault_step()))


if __name__ == "__main__":
    main()
