# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  services:
    description:
      - The services that the call knows, by service path, which is V(namespace/name), or V(name) in the root namespace.
      - Each is a mapping of C(DEFAULT) keywords and of sections such as C(container#0). The keyword reference of the
        collection lists them all.
      - Give every service of the node and choose with O(svc), so that two services on one data root are noticed.
    type: dict
    default: {}
  services_dir:
    description:
      - A folder on the controller that holds more definitions, as C(namespace/name.conf) or C(name.conf) for the root
        namespace. The endings C(.conf) and C(.env) are INI, C(.json) is JSON, C(.yml) and C(.yaml) are YAML.
      - A relative path is looked for beside the playbook, then beside the inventory.
    type: path
  secrets:
    description:
      - The values of C(secrets) keywords, taken out of O(services) by the controller. Not meant to be given by hand.
    type: dict
    default: {}
  svc:
    description:
      - The services to select, as service paths or patterns.
      - V(*/*) takes every service, those of the root namespace included.
    type: list
    elements: str
    default: ['*/*']
  node:
    description:
      - The name of this node in C(nodes) and in scoped keywords. By default the inventory host name.
      - Of a task with C(delegate_to) it is the name given there, whether or not the inventory has it, since that machine is
        acted on.
    type: str
  progress:
    description: The file for the lines of the running action. Set by the controller.
    type: path
"""
