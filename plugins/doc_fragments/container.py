# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible_collections.dockyard.svc.plugins.module_utils.arguments import container_documentation


class ModuleDocFragment:
    """The options of a container section, documented from the very declarations that check a definition."""

    DOCUMENTATION: str = json.dumps({"options": container_documentation()})
