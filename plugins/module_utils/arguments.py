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
from .definition.keywords import CONTAINER_DOCKER, Keyword
from .definition.model import Definition
from .definition.parse import parse, parse_all
from .definition.secrets import join_secrets
from .definition.selection import select_resources, select_services
from .definition.types import BOOLEAN, DURATION, PATH, STRING, WORD
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
_LEFT_OUT = ("type", "comment", "disable", "optional", "monitor", "standby", "subset", "tags")


def _container_keywords() -> List[Keyword]:
    """The keywords that make sense for a container by itself."""
    return [keyword for name, keyword in CONTAINER_DOCKER.keywords.items() if name not in _LEFT_OUT]


def _option_type(keyword: Keyword) -> str:
    if keyword.type is BOOLEAN:
        return "bool"
    return "str" if keyword.type in (WORD, STRING, DURATION, PATH) else "raw"


CONTAINER_OPTIONS: Dict[str, Any] = {
    keyword.name: {
        "type": _option_type(keyword),
        **({"required": True} if keyword.required else {}),
        **({"choices": list(keyword.choices)} if keyword.choices else {}),
        **({"no_log": True} if keyword.secret else {}),
    }
    for keyword in _container_keywords()
}
"""The keywords of a container section as module options. Defaults are the definition's."""


def container_documentation() -> Dict[str, Any]:
    """The same options as Ansible documents them."""
    return {
        keyword.name: {
            "description": [keyword.help]
            + (["The default is %s." % _default(keyword)] if keyword.default not in (None, (), {}) else []),
            **{key: value for key, value in CONTAINER_OPTIONS[keyword.name].items() if key != "no_log"},
        }
        for keyword in _container_keywords()
    }


def _default(keyword: Keyword) -> str:
    value = keyword.default
    return "V(%s)" % (
        "%gs" % value if keyword.type is DURATION else str(value).lower() if isinstance(value, bool) else value
    )


def fail(module: AnsibleModule, msg: str, **facts: Any) -> NoReturn:
    """End the module with a message. The options are not repeated in the result: they may hold what is not to be seen."""
    module.fail_json(msg=msg, **{"invocation": {}, **facts})
    raise SystemExit(1)  # fail_json does not return; its types do not say so


def make_host(module: AnsibleModule) -> Host:
    """The node, after the checks that every call needs. Fails the module when it does not run as root."""
    if os.geteuid() != 0:
        fail(module, "services are managed by root: set 'become: true' (or ansible_become) for this host")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost connection does not leave an action half done
    os.umask(0o022)
    options = module.params
    try:
        return Host(Directories(options["state_dir"], options["run_dir"], options["log_dir"]), options["network_pool"])
    except (NodeError, ValueError) as error:
        fail(module, str(error))


def load(module: AnsibleModule) -> Dict[str, Definition]:
    """The checked definitions that the option `svc` selects. Fails the module with every problem, before any change."""
    node = module.params["node"] or os.uname().nodename
    try:
        raw = join_secrets(module.params["services"], module.params["secrets"])
        definitions = parse_all(raw, node)
        return {path: definitions[path] for path in select_services(module.params["svc"], definitions)}
    except DefinitionError as error:
        fail_definition(module, error)
    except ValueError as error:
        fail(module, str(error))


def fail_definition(module: AnsibleModule, error: DefinitionError) -> NoReturn:
    """End the module with everything that is wrong with the definitions."""
    problems = [str(problem) for problem in error.problems]
    fail(module, "\n".join(problems), problems=problems)


def chosen_resources(module: AnsibleModule, definitions: Dict[str, Definition]) -> Dict[str, Tuple[str, ...]]:
    """The resources that the option `rid` selects, by service. Fails the module when there is none of that name."""
    try:
        return select_resources(module.params["rid"] or "", definitions)
    except ValueError as error:
        fail(module, str(error))


def parse_one(module: AnsibleModule, path: str, raw: Dict[str, Any]) -> Definition:
    """The definition that the options of a single resource add up to. Fails the module with what is wrong."""
    try:
        return parse(path, raw, os.uname().nodename)
    except DefinitionError as error:
        fail_definition(module, error)


def finish(module: AnsibleModule, outcome: Dict[str, Any]) -> NoReturn:
    """End the module with the outcome of an action."""
    outcome["invocation"] = {}
    if outcome.pop("failed"):
        fail(module, **outcome)
    module.exit_json(**outcome)
    raise SystemExit(0)  # exit_json does not return; its types do not say so


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
                descriptor = os.open(
                    self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
                )
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
