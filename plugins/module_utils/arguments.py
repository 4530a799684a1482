# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What the modules have in common: their options, the way in (definitions, root, the node), and the way out."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable, Dict, List, NoReturn, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from .definition.errors import DefinitionError
from .definition.model import Definition
from .definition.parse import parse_all
from .definition.secrets import join_secrets
from .definition.selection import select_resources, select_services
from .node.errors import NodeError
from .node.journal import Sink
from .node.machine import Directories, Host

NODE_OPTIONS: Dict[str, Any] = {
    "state_dir": {"type": "path", "default": "/var/lib/dockyard"},
    "run_dir": {"type": "path", "default": "/run/dockyard"},
    "log_dir": {"type": "path", "default": "/var/log/dockyard"},
    "network_pool": {"type": "str", "default": "10.199.0.0/16"},
}
"""Where the node keeps what belongs to services."""

SERVICE_OPTIONS: Dict[str, Any] = {
    "services": {"type": "dict", "default": {}},
    "services_dir": {"type": "path"},
    "secrets": {"type": "dict", "no_log": True, "default": {}},
    "svc": {"type": "str", "default": "*/*"},
    "node": {"type": "str"},
    "progress": {"type": "path"},
    **NODE_OPTIONS,
}
"""The services that a call knows and those that it is for."""

_FAULT = "DOCKYARD_FAULT_AT"


def make_host(module: AnsibleModule) -> Host:
    """The node, after the checks that every call needs. Fails the module when it does not run as root."""
    if os.geteuid() != 0:
        module.fail_json(msg="services are managed by root: set 'become: true' (or ansible_become) for this host")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost connection does not leave an action half done
    os.umask(0o022)
    options = module.params
    try:
        return Host(Directories(options["state_dir"], options["run_dir"], options["log_dir"]), options["network_pool"])
    except NodeError as error:
        module.fail_json(msg=str(error))


def load(module: AnsibleModule) -> Dict[str, Definition]:
    """The checked definitions that the option `svc` selects. Fails the module, with every problem, before anything is touched."""
    node = module.params["node"] or os.uname().nodename
    try:
        raw = join_secrets(module.params["services"], module.params["secrets"])
        definitions = parse_all(raw, node)
        return {path: definitions[path] for path in select_services(module.params["svc"], definitions)}
    except DefinitionError as error:
        fail_definition(module, error)
    except ValueError as error:
        module.fail_json(msg=str(error))


def fail_definition(module: AnsibleModule, error: DefinitionError) -> NoReturn:
    """End the module with everything that is wrong with the definitions."""
    problems = [str(problem) for problem in error.problems]
    module.fail_json(msg="\n".join(problems), problems=problems, invocation={})


def chosen_resources(module: AnsibleModule, definitions: Dict[str, Definition]) -> Dict[str, Tuple[str, ...]]:
    """The resources that the option `rid` selects, by service. Fails the module when there is none of that name."""
    try:
        return select_resources(module.params["rid"] or "", definitions)
    except ValueError as error:
        module.fail_json(msg=str(error))


class Progress:
    """The lines of an action while it runs: in a file that the controller reads, and in the result."""

    def __init__(self, path: Optional[str], check_mode: bool):
        self.lines: List[str] = []
        self._path = path if path and not check_mode else None

    @property
    def sink(self) -> Sink:
        """Where a journal sends its lines."""
        return self._add

    def _add(self, line: str) -> None:
        self.lines.append(line)
        if self._path:
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError:
                return  # the folder is made by the first action; until then the lines come with the result
            try:
                os.write(descriptor, (line + "\n").encode())
            finally:
                os.close(descriptor)

    def end(self) -> List[str]:
        """Remove the file; all the lines."""
        if self._path and os.path.exists(self._path):
            os.unlink(self._path)
        return self.lines


def fault_step() -> Callable[[], None]:
    """The hook of fault injection: with DOCKYARD_FAULT_AT=N the module is killed before its N-th change. Off by default."""
    wanted = os.environ.get(_FAULT, "")
    if not wanted.isdigit():
        return lambda: None
    seen = [0]

    def step() -> None:
        seen[0] += 1
        if seen[0] == int(wanted):
            os.kill(os.getpid(), signal.SIGKILL)

    return step
