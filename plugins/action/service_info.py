# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.dockyard.svc.plugins.plugin_utils.definitions import ServiceAction


class ActionModule(ServiceAction):
    """Checks the definitions on the controller, then reads the status on the node."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self.module_args(task_vars or {})
        result.update(self.on_node("service_info", args, task_vars))
        return result
