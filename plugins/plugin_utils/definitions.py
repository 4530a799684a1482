# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of every call about services: read definitions, check them before a node is touched, hide secrets."""

from __future__ import annotations

import gc
import os
from typing import Any, Mapping

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError, kind_of
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import left_out, read_directory
from ansible_collections.dockyard.svc.plugins.module_utils.definition.model import Definition
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.secrets import split_secrets
from ansible_collections.dockyard.svc.plugins.module_utils.definition.selection import named_in_full, select_services
from ansible_collections.dockyard.svc.plugins.plugin_utils.placement import unknown_nodes

display = Display()


class ServiceAction(ActionBase):
    """What the actions on services have in common."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The arguments for the module. Raises AnsibleActionFail with every problem of the definitions."""
        args = dict(self._task.args)
        node = str(args.get("node") or self._task.delegate_to or task_vars.get("inventory_hostname", ""))
        services = args.get("services") or {}
        if not isinstance(services, dict):
            hint = ": read a text of JSON or YAML with from_json or from_yaml" if isinstance(services, str) else ""
            message = "services (dockyard_services) must be a mapping from service paths to definitions, not %s%s"
            raise AnsibleActionFail(message % (kind_of(services), hint))
        try:
            written = self._with_files(services, args.pop("services_dir", None), task_vars)
            definitions = parse_all(written, node)
            public, secret = split_secrets(written)
        except DefinitionError as error:
            problems = [str(problem) for problem in error.problems]
            raise AnsibleActionFail("\n".join(problems), result={"problems": problems}) from None
        patterns = _words(args.get("svc"), "*/*")
        self._tell_unknown_nodes(written, definitions, patterns, [*task_vars.get("groups", {}).get("all", ()), node])
        hosts = {node, *task_vars.get("ansible_play_hosts_all", ())}
        self.placed_nowhere = [
            "%s does not run on %s (nodes: %s)" % (path, node, ", ".join(definition.placement))
            for path, definition in definitions.items()
            if path in named_in_full(patterns) and definition.placement and not hosts & set(definition.placement)
        ]
        return {**args, "node": node, "services": public, "secrets": secret}

    def on_node(self, module: str, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run a module of the collection on the node.

        Python's collector of garbage rests meanwhile: Ansible parses each file of the payload, and half as much time again
        would go into looking through the trees for garbage that is not there. Nor are they looked through afterwards: the
        process of a task ends with it.
        """
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            result: dict[str, Any] = self._execute_module(
                module_name="dockyard.svc." + module, module_args=args, task_vars=task_vars
            )
        finally:
            if was_enabled:
                gc.freeze()
                gc.enable()
        return result

    def tell_placed_nowhere(self) -> None:
        """Say which services that were named in full run on none of the hosts: nothing else would be seen of them."""
        for line in self.placed_nowhere:
            display.display(line)

    def _tell_unknown_nodes(
        self, written: Mapping[str, Any], definitions: dict[str, Definition], patterns: list[str], known: list[str]
    ) -> None:
        """A warning and no more: other nodes may be in another inventory."""
        try:
            chosen = select_services(patterns, definitions)
        except ValueError:
            return  # the module says so
        found = [text for path in chosen for text in unknown_nodes(written[path], definitions[path], known)]
        if found and len(known) > 1:
            display.warning("not in the inventory: %s" % ", ".join(found))

    def _with_files(self, services: dict[str, Any], folder: Any, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        if not folder:
            return dict(services)
        place = self._folder(str(folder), task_vars)
        found = read_directory(place)
        for name in left_out(place):
            display.warning(
                "%s is no definition: these are <namespace>/<name>.conf, .env, .json, .yml" % os.path.join(place, name)
            )
        twice = sorted(set(found) & set(services))
        if twice:
            raise AnsibleActionFail("defined both in services and in a file of %s: %s" % (folder, ", ".join(twice)))
        return {**found, **services}

    def _folder(self, folder: str, task_vars: Mapping[str, Any]) -> str:
        """The folder of the definitions. A relative one lies beside the playbook or the inventory, as group_vars do."""
        if os.path.isabs(os.path.expanduser(folder)):
            return str(self._loader.path_dwim(folder))
        places = [str(task_vars[name]) for name in ("playbook_dir", "inventory_dir") if task_vars.get(name)]
        for place in places:
            if os.path.isdir(os.path.join(place, folder)):
                return os.path.join(place, folder)
        message = "there is no folder %s (services_dir, dockyard_services_dir) beside the playbook or the inventory: %s"
        raise AnsibleActionFail(message % (folder, ", ".join(places)))


def _words(value: Any, default: str) -> list[str]:
    """The texts of an option that is a list or a text, as the module will read them."""
    return [str(item) for item in value] if isinstance(value, list) else [str(value or default)]
