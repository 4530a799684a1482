# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of every call about services: read definitions, check them before a node is touched, hide secrets."""

from __future__ import annotations

import gc
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import read_directory
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.secrets import split_secrets


class ServiceAction(ActionBase):
    """What the actions on services have in common."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The arguments for the module. Raises AnsibleActionFail with every problem of the definitions."""
        args = dict(self._task.args)
        node = str(args.get("node") or task_vars.get("inventory_hostname", ""))
        services = args.get("services") or {}
        if not isinstance(services, dict):
            raise AnsibleActionFail(
                "services must be a mapping from service paths to definitions, not a %s" % type(services).__name__
            )
        try:
            definitions = self._with_files(services, args.pop("services_dir", None))
            parse_all(definitions, node)
        except DefinitionError as error:
            problems = [str(problem) for problem in error.problems]
            raise AnsibleActionFail("\n".join(problems), result={"problems": problems}) from None
        public, secret = split_secrets(definitions)
        return {**args, "node": node, "services": public, "secrets": secret}

    def on_node(self, module: str, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run a module of the collection on the node.

        Python's collector of garbage rests meanwhile: Ansible parses each file of the payload, and half as much time again
        would go into looking through the trees for garbage that is not there.
        """
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            result: dict[str, Any] = self._execute_module(
                module_name="dockyard.svc." + module, module_args=args, task_vars=task_vars
            )
        finally:
            if was_enabled:
                gc.enable()
        return result

    def _with_files(self, services: dict[str, Any], folder: Any) -> dict[str, Any]:
        if not folder:
            return dict(services)
        found = read_directory(self._loader.path_dwim(str(folder)))
        twice = sorted(set(found) & set(services))
        if twice:
            raise AnsibleActionFail("defined both in services and in a file of %s: %s" % (folder, ", ".join(twice)))
        return {**found, **services}
