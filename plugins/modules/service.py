#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service
short_description: Start, stop and restart services with all their resources
version_added: 1.0.0
description:
  - Brings whole services into a state, each with its resources in order and under its own lock on the node.
  - The selected services run side by side. The failure of one does not stop the others; the module fails in the end and
    says which ones failed and why.
  - A failed start takes back what it changed. A stop ends at its first failure and proves what it released.
options:
  state:
    description:
      - The state to bring the services into.
      - V(started) and V(stopped) do nothing to what is there already. V(restarted) stops, then starts.
      - V(frozen) and V(thawed) set and remove the mark that asks automation to leave a service alone.
      - V(provisioned) makes what must exist before the first start, such as a volume group or a file system, and touches
        nothing that holds unknown content. It does not start the services.
      - V(unprovisioned) stops the services and destroys what V(provisioned) has made, B(with all data in it). It needs
        O(confirm).
    type: str
    choices: [started, stopped, restarted, frozen, thawed, provisioned, unprovisioned]
    default: started
  confirm:
    description:
      - The services whose data may be destroyed by V(unprovisioned). Each selected service must be named in full.
    type: list
    elements: str
    default: []
  rid:
    description:
      - The resources to act on. Each is a resource (V(container#1)), a group (V(container)), or a group and type
        (V(container.docker)). By default, and with an empty text, all of them; an empty list is an error.
    type: list
    elements: str
  tags:
    description:
      - Only resources with one of these tags. V(a+b) wants both.
      - A resource must be in each of O(rid), O(tags) and O(subsets) that is given.
    type: list
    elements: str
  subsets:
    description: Only resources in one of these subsets.
    type: list
    elements: str
  show:
    description: Whether to print the lines of the action while it runs.
    type: bool
    default: true
extends_documentation_fragment:
  - dockyard.svc.services
  - dockyard.svc.node
  - dockyard.svc.attributes
seealso:
  - module: dockyard.svc.service_info
  - module: dockyard.svc.docker
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Start the services of app1
  dockyard.svc.service:
    state: started
    svc: app1-*/*
    services:
      app1-prd/svc1:
        docker_data_dir: /srv/{svcpath}/docker
        docker_socket_group: team1
        container#0:
          image: google/pause

- name: Stop one container of one service
  dockyard.svc.service:
    state: stopped
    svc: app1-prd/svc1
    rid: container#0
    services: "{{ dockyard_services }}"

- name: Activate the disks of one service and mount its file systems, and no more
  dockyard.svc.service:
    state: started
    svc: app1-prd/svc1
    rid: disk,fs
    services: "{{ dockyard_services }}"

- name: Destroy one service with its data
  dockyard.svc.service:
    state: unprovisioned
    svc: app1-dev/svc1
    confirm: [app1-dev/svc1]
    services: "{{ dockyard_services }}"
"""

RETURN = r"""
services:
  description: The outcome for each selected service, by service path.
  returned: always
  type: dict
  contains:
    changed:
      description: Whether anything was changed.
      type: bool
    failed:
      description: Whether the service did not reach the state.
      type: bool
    msg:
      description: The state that was reached, or why it was not.
      type: str
    before:
      description: The status before the action, as M(dockyard.svc.service_info) returns it.
      type: dict
    status:
      description: The status after the action.
      type: dict
    evidence:
      description: What proves the release of each resource after a stop. When and in which boot that was is in the status.
      type: dict
    commands:
      description: The commands, in order, with exit code, seconds and output. In check mode those that would have run.
      type: list
      elements: dict
    log:
      description: The remarks made on the way.
      type: list
      elements: dict
    seconds:
      description: How long it took.
      type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import (
    SERVICE_OPTIONS,
    Progress,
    chosen_resources,
    fault_step,
    load,
    make_host,
    require_confirmation,
)
from ansible_collections.dockyard.svc.plugins.module_utils.engine import many
from ansible_collections.dockyard.svc.plugins.module_utils.engine.outline import outline


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": list(many.VERBS), "default": "started"},
            "rid": {"type": "list", "elements": "str"},
            "tags": {"type": "list", "elements": "str"},
            "subsets": {"type": "list", "elements": "str"},
            "confirm": {"type": "list", "elements": "str", "default": []},
            "show": {"type": "bool", "default": True},
            **SERVICE_OPTIONS,
        },
        supports_check_mode=True,
    )
    definitions = load(module)
    require_confirmation(module, definitions)
    rids = chosen_resources(module, definitions)
    host = make_host(module)
    progress = Progress(module.params["progress"], module.check_mode)
    outcomes = many.act(definitions, rids, host, module.params["state"], module.check_mode, progress.sink, fault_step())
    result = {
        "changed": any(outcome["changed"] for outcome in outcomes.values()),
        "services": outcomes,
        "lines": progress.end(),
        "invocation": {},
    }
    if module._diff:
        result["diff"] = {
            "before": outline(outcome["before"] for outcome in outcomes.values()),
            "after": outline(outcome["status"] for outcome in outcomes.values()),
        }
    failed = {path: outcome["msg"] for path, outcome in outcomes.items() if outcome["failed"]}
    if failed:
        reasons = "\n".join("%s: %s" % item for item in failed.items())
        module.fail_json(msg="%d of %d services failed\n%s" % (len(failed), len(outcomes), reasons), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
