# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.utils.display import Display
from ansible_collections.dockyard.svc.plugins.plugin_utils.definitions import ServiceAction

display = Display()


class ActionModule(ServiceAction):
    """Runs the docker command and prints what it wrote, as it is."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self.module_args(task_vars or {})
        args["command"] = _as_typed(args.get("command"))
        result.update(self.on_node("docker", args, task_vars))
        outcomes = result.get("services", {})
        many = len(outcomes) > 1 or len((task_vars or {}).get("ansible_play_hosts_all", ())) > 1
        self.tell_placed_nowhere()
        for path, outcome in outcomes.items():
            if many and outcome["cmd"]:
                display.display("%s.%s  %s" % (args["node"], path, outcome["cmd"]))
            for text in (outcome["stdout"], outcome["stderr"]):
                if text:
                    display.display(text.rstrip("\n"))
        return result


def _as_typed(command: Any) -> Any:
    """The whole of what was typed after `-e docker_args=`.

    Ansible reads `-e docker_args='ps -a'` as a list of words and leaves only the first in the variable. Any other source of
    the variable, a quoted one included, is taken as it is.
    """
    for typed in context.CLIARGS.get("extra_vars", ()):
        name, equals, text = str(typed).partition("=")
        if name.strip() == "docker_args" and equals and isinstance(command, str) and text.split(" ")[0] == command:
            return text
    return command
