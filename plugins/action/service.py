# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import shlex
import threading
import time
import uuid
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.dockyard.svc.plugins.plugin_utils.definitions import ServiceAction

display = Display()

_INTERVAL = 0.5  # seconds between two looks at the lines of the running action
_REST = 5  # a look that took long is followed by a rest this many times as long: a slow node has other things to do
_TRANSPORTS = ("local", "ssh")  # connections that can be used twice at the same time
_MARK = "line:"  # what comes without it is from sudo or the terminal, not from the action


class ActionModule(ServiceAction):
    """Runs the action on the node and prints its lines while it runs."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self.module_args(task_vars or {})
        run_dir = str(args.get("run_dir") or "/run/dockyard")
        args["progress"] = "%s/private/progress-%s" % (run_dir, uuid.uuid4().hex)
        show = bool(args.get("show", True))
        watch = _Watch(self, args["progress"], args["node"])
        if show and not self._task.check_mode:
            watch.start()
        try:
            result.update(self.on_node("service", args, task_vars))
        finally:
            watch.stop()
        lines = result.pop("lines", [])
        if show:
            watch.show(lines[watch.shown :])
            self.tell_placed_nowhere()
        return result


class _Watch:
    """Follows the lines of an action through a second use of the connection."""

    def __init__(self, action: ServiceAction, path: str, node: str):
        self.shown = 0
        self._path = path
        self._node = node
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._twin = action

    def start(self) -> None:
        if self._twin._connection.transport not in _TRANSPORTS:
            return
        self._twin = copy.copy(self._twin)
        self._twin._connection = copy.copy(self._twin._connection)
        self._twin._connection.become = copy.copy(self._twin._connection.become)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def show(self, lines: list[str]) -> None:
        for line in lines:
            display.display("%s.%s" % (self._node, line))
        self.shown += len(lines)

    def _follow(self) -> None:
        pause = _INTERVAL
        while not self._ended.wait(pause):
            began = time.monotonic()
            command = "sed -n '%d,$s/^/%s/p' %s 2>/dev/null" % (self.shown + 1, _MARK, shlex.quote(self._path))
            try:
                answer = self._twin._low_level_execute_command(command, sudoable=True)
            except (AnsibleError, OSError):
                return  # the lines come with the result
            if answer.get("rc") == 0:
                text = answer["stdout"]
                complete = text[: text.rfind("\n") + 1]
                self.show([line[len(_MARK) :] for line in complete.splitlines() if line.startswith(_MARK)])
            pause = max(_INTERVAL, _REST * (time.monotonic() - began))
