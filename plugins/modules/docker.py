#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker
short_description: Run a docker command on the socket of services
version_added: 1.0.0
description:
  - Runs one docker command for each selected service, on the socket of the daemon that the service uses.
  - A private daemon that does not run is started first, so that images can be pulled, loaded or imported before the first
    start of the service. It is shut down again by the next stop of the service.
  - The exit code is the one of docker. The module fails when it is not 0.
options:
  command:
    description:
      - The docker command and its arguments, as a list or a shell-like text. They never reach a shell.
      - A reference such as V({container#0}) is replaced by the name of that container of the service.
      - Options that would lead to another daemon, such as C(--host), are refused.
    type: raw
    required: true
  timeout:
    description: How long the command may take, in seconds.
    type: float
    default: 3600
extends_documentation_fragment:
  - dockyard.svc.services
  - dockyard.svc.node
  - dockyard.svc.attributes
  - dockyard.svc.attributes.docker
seealso:
  - module: dockyard.svc.service
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: List the containers of one service
  dockyard.svc.docker:
    svc: app1-prd/svc1
    services: "{{ dockyard_services }}"
    command: ps --all

- name: Look at a file in a container
  dockyard.svc.docker:
    svc: app1-prd/svc1
    services: "{{ dockyard_services }}"
    command: [exec, "{container#0}", cat, /etc/hostname]
"""

RETURN = r"""
rc:
  description: The exit code of docker; the first that is not 0 when there are several services.
  returned: always
  type: int
services:
  description: The command, exit code and output for each service, by service path.
  returned: always
  type: dict
  contains:
    cmd:
      description: The command, as it can be pasted into a shell.
      type: str
    rc:
      description: The exit code of docker.
      type: int
    stdout:
      description: What it wrote to its standard output.
      type: str
    stderr:
      description: What it wrote to its standard error.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dockyard.svc.plugins.module_utils.arguments import SERVICE_OPTIONS, load, make_host
from ansible_collections.dockyard.svc.plugins.module_utils.engine import passthrough


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "command": {"type": "raw", "required": True},
            "timeout": {"type": "float", "default": 3600.0},
            **SERVICE_OPTIONS,
        },
        supports_check_mode=True,
    )
    definitions = load(module)
    try:
        words = passthrough.read_words(module.params["command"])
    except ValueError as error:
        module.fail_json(msg=str(error), rc=125, services={})
    host = make_host(module)
    outcomes = {
        path: passthrough.run(definition, host, words, module.params["timeout"], module.check_mode)
        for path, definition in definitions.items()
    }
    rc = next((outcome["rc"] for outcome in outcomes.values() if outcome["rc"]), 0)
    result = {
        "changed": any(outcome["changed"] for outcome in outcomes.values()),
        "rc": rc,
        "services": outcomes,
        "invocation": {},
    }
    if rc:
        failed = [
            "%s: %s" % (path, outcome["stderr"].strip() or "no output")
            for path, outcome in outcomes.items()
            if outcome["rc"]
        ]
        module.fail_json(msg="docker ended with exit code %d\n%s" % (rc, "\n".join(failed)), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
