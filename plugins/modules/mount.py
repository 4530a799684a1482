#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mount
short_description: Mount a file system of a service, and unmount it
version_added: 1.1.0
description:
  - Checks the file system where its type wants that, mounts it, and verifies that it is the one at the mount point.
  - Unmounts deeper mounts first, kills nobody, and names who still uses the file system. The unmount is done only when
    the device can be opened exclusively.
  - For your own roles. M(dockyard.svc.service) does this for whole services, with all their resources in order.
extends_documentation_fragment:
  - dockyard.svc.resource
  - dockyard.svc.resource.mount
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.single
seealso:
  - module: dockyard.svc.volume_group
  - module: dockyard.svc.loop_device
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Mount the data of the service
  dockyard.svc.mount:
    service: tools/builder
    type: ext4
    dev: /dev/vgbuilder/lvdata
    mnt: /srv/tools/builder
    mnt_opt: noatime
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
from ansible_collections.dockyard.svc.plugins.module_utils.definition.keywords import FS
from ansible_collections.dockyard.svc.plugins.module_utils.engine import single


def main() -> None:
    module = AnsibleModule(argument_spec=resource_options(FS), supports_check_mode=True)
    definition = parse_resource(module, "fs", FS)
    state = module.params["state"]
    finish(module, single.act_on_resource(definition, make_host(module), state, module.check_mode, fault_step()))


if __name__ == "__main__":
    main()
