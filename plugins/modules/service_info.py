#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_info
short_description: Report the status of services
version_added: 1.0.0
description:
  - Reads what is true of each resource of the selected services, and merges it.
  - Nothing is changed, cached or locked. What could not be told within a deadline is V(undef), with the reason.
extends_documentation_fragment:
  - dockyard.svc.services
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.info
seealso:
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Read the status of every service of the node
  dockyard.svc.service_info:
    services: "{{ dockyard_services }}"
  register: read

- name: Show it as the tree of one service
  dockyard.svc.show:
    text: "{{ [read.services['app1-prd/svc1']] | dockyard.svc.tree }}"
"""

RETURN = r"""
services:
  description: The status of each selected service, by service path.
  returned: success
  type: dict
  contains:
    avail:
      description: The merged state of the resources that are not optional.
      type: str
    overall:
      description: The merged state of everything, V(warn) when there is something to look at.
      type: str
    frozen:
      description: Whether the service carries the mark that asks automation to leave it alone.
      type: bool
    action:
      description: The action that holds the service at this moment, empty when none does.
      type: str
    nodes:
      description: The nodes where the service may run; empty when it may run anywhere.
      type: list
      elements: str
    here:
      description: Whether the service may run on this node.
      type: bool
    read_at:
      description: When the reading began, in UTC by the clock of the node.
      type: str
    boot_id:
      description: The boot of the node in which it was read. What was read before a reboot says nothing about the time after.
      type: str
    groups:
      description: The merged state of each group of resources.
      type: dict
    resources:
      description: State, label, flags, remarks and facts of each resource.
      type: dict
    daemon:
      description: State, pid, socket and data root of the Docker daemon of the service.
      type: dict
    problems:
      description: What is wrong with the service as a whole, such as what an earlier definition has started here.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import SERVICE_OPTIONS, load, make_host
from ansible_collections.dockyard.svc.plugins.module_utils.engine import many


def main() -> None:
    module = AnsibleModule(argument_spec=SERVICE_OPTIONS, supports_check_mode=True)
    definitions = load(module)
    module.exit_json(
        changed=False, services=many.inspect(definitions, make_host(module, is_reading=True)), invocation={}
    )


if __name__ == "__main__":
    main()
