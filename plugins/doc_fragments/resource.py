# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible_collections.dockyard.svc.plugins.module_utils.arguments import RESOURCE_STATES, keyword_documentation
from ansible_collections.dockyard.svc.plugins.module_utils.definition import keywords

STATE = {
    "description": [
        "The state to bring the resource into.",
        "V(provisioned) makes what must exist before the first start, and touches nothing that holds unknown content. "
        "It does not start the resource.",
        "V(unprovisioned) stops the resource and destroys what V(provisioned) has made, B(with all data in it).",
    ],
    "type": "str",
    "choices": list(RESOURCE_STATES),
    "default": "started",
}


def _options(table: keywords.Table) -> str:
    return json.dumps({"options": {"state": STATE, **keyword_documentation(table)}})


class ModuleDocFragment:
    """The options of one resource, documented from the very declarations that check a definition."""

    DOCUMENTATION = r"""
options:
  service:
    description: The path of the service, which is V(namespace/name), or V(name) in the root namespace.
    type: str
    required: true
  index:
    description: The index of the resource in the service; V(0) stands for the first one of a group, such as C(fs#0).
    type: str
    default: '0'
  node:
    description:
      - The name of this node, which marks what several nodes could use. By default its host name.
      - M(dockyard.svc.service) takes the inventory host name; give that where both are used.
    type: str
"""

    IP_ALIAS: str = _options(keywords.IP_HOST)
    VOLUME_GROUP: str = _options(keywords.DISK_VG)
    LOGICAL_VOLUME: str = _options(keywords.DISK_LV)
    LOOP_DEVICE: str = _options(keywords.DISK_LOOP)
    MOUNT: str = _options(keywords.FS)
    CONTAINER: str = json.dumps({"options": keyword_documentation(keywords.CONTAINER_DOCKER)})
