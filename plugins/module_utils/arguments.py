# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What the modules have in common: their options, the way in (definitions, root, the node), and the way out."""

from __future__ import annotations

import atexit
import os
import re
import signal
from typing import Any, Callable, Dict, List, Match, NoReturn, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

# The first, because it makes all imports that follow faster.
from . import zipped
from .definition.errors import DefinitionError
from .definition.keywords import EVERY_RESOURCE, FS, RESOURCES, Keyword, Table
from .definition.model import Definition
from .definition.parse import parse, parse_all
from .definition.secrets import join_secrets
from .definition.selection import select_resources, select_services
from .definition.types import BOOLEAN, DURATION, GROUP_NAME, PATH, SIZE, STRING, SUBNET, WORD
from .node.errors import NodeError
from .node.files import write_whole
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
    "svc": {"type": "list", "elements": "str", "default": ["*/*"]},
    "node": {"type": "str"},
    "progress": {"type": "path"},
    **NODE_OPTIONS,
}
"""The services that a call knows and those that it is for."""

_PLACES = (("state_dir", PATH), ("run_dir", PATH), ("log_dir", PATH), ("network_pool", SUBNET))
_FAULT = "DOCKYARD_FAULT_AT"
_DAEMON_KEYWORD = re.compile(r"\bdocker_(data_dir|daemon_args|socket_group|subnet|start_timeout|stop_timeout)\b")
RESOURCE_STATES = ("started", "stopped", "provisioned", "unprovisioned")
"""The states that a resource by itself can be brought into."""


def keyword_options(table: Table) -> Dict[str, Any]:
    """The keywords of a section as the options of a module about this one resource. Defaults are the definition's."""
    return {
        keyword.name: {
            "type": _option_type(keyword),
            **({"required": True} if keyword.required else {}),
            **({"choices": list(keyword.choices)} if keyword.choices else {}),
            **({"no_log": True} if keyword.secret else {}),
        }
        for keyword in _own_keywords(table)
    }


def keyword_documentation(table: Table) -> Dict[str, Any]:
    """The same options as Ansible documents them."""
    options = keyword_options(table)
    return {
        keyword.name: {
            "description": [keyword.help]
            + (["The default is %s." % _default(keyword)] if keyword.default not in (None, (), {}) else []),
            **{key: value for key, value in options[keyword.name].items() if key != "no_log"},
        }
        for keyword in _own_keywords(table)
    }


def resource_options(table: Table) -> Dict[str, Any]:
    """Every option of a module about one resource."""
    return {
        "service": {"type": "str", "required": True},
        "index": {"type": "str", "default": "0"},
        "node": {"type": "str"},
        "state": {"type": "str", "choices": list(RESOURCE_STATES), "default": "started"},
        **keyword_options(table),
        **NODE_OPTIONS,
    }


def _own_keywords(table: Table) -> List[Keyword]:
    """The keywords that make sense for a resource by itself. Of the types only those of a file system are to choose."""
    shared = {keyword.name for keyword in EVERY_RESOURCE}
    return [
        keyword for name, keyword in table.keywords.items() if name not in shared and (name != "type" or table is FS)
    ]


def _option_type(keyword: Keyword) -> str:
    if keyword.type is BOOLEAN:
        return "bool"
    return "str" if keyword.type in (WORD, STRING, DURATION, PATH, SIZE, GROUP_NAME) else "raw"


def _default(keyword: Keyword) -> str:
    value = keyword.default
    return "V(%s)" % (
        "%gs" % value if keyword.type is DURATION else str(value).lower() if isinstance(value, bool) else value
    )


def fail(module: AnsibleModule, msg: str, **facts: Any) -> NoReturn:
    """End the module with a message. The options are not repeated in the result: they may hold what is not to be seen."""
    module.fail_json(msg=msg, **{"invocation": {}, **facts})
    raise SystemExit(1)  # fail_json does not return; its types do not say so


def make_host(module: AnsibleModule, is_reading: bool = False) -> Host:
    """The node, after the checks that every call needs. Fails the module when it does not run as root.

    A call that only reads leaves nothing behind, not even what would make the next one faster.
    """
    if os.geteuid() != 0:
        fail(module, "services are managed by root: set 'become: true' (or ansible_become) for this host")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost connection does not leave an action half done
    os.umask(0o022)
    values = {}
    for name, kind in _PLACES:
        try:
            values[name] = kind.convert(module.params[name])
        except ValueError as error:
            fail(module, "%s (dockyard_%s): %s" % (name, name, error))
    try:
        host = Host(Directories(values["state_dir"], values["run_dir"], values["log_dir"]), values["network_pool"])
    except NodeError as error:
        fail(module, str(error))
    if not (is_reading or module.check_mode):
        atexit.register(zipped.keep, write_whole)
    return host


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
    """The resources that `rid`, `tags` and `subsets` select, by service. Fails the module when they select nothing."""
    rid, tags, subsets = (
        "" if module.params[name] is None else module.params[name] for name in ("rid", "tags", "subsets")
    )
    try:
        return select_resources(rid, definitions, tags, subsets)
    except ValueError as error:
        fail(module, str(error))


def section(module: AnsibleModule, table: Table) -> Dict[str, Any]:
    """The keywords that were given to a module about one resource."""
    return {name: module.params[name] for name in keyword_options(table) if module.params[name] is not None}


def parse_resource(module: AnsibleModule, group: str, table: Table) -> Definition:
    """The definition of the one resource that `resource_options` describe. Fails the module with what is wrong."""
    types = RESOURCES[group]
    keywords = {"type": next(name for name in types if types[name] is table), **section(module, table)}
    return parse_one(module, module.params["service"], {"%s#%s" % (group, module.params["index"]): keywords})


def require_confirmation(module: AnsibleModule, definitions: Dict[str, Definition]) -> None:
    """Fail the module when data would be destroyed of a service that the option `confirm` does not name in full."""
    named = [path.strip() for path in module.params["confirm"] or ()]
    missing = [path for path in definitions if path not in named]
    if module.params["state"] == "unprovisioned" and missing:
        fail(
            module,
            "unprovisioned destroys the data of each selected service, so 'confirm' must name each in full; not named: %s "
            "(with the playbook: -e confirm=%s)" % (", ".join(missing), ",".join(definitions)),
        )


def parse_one(module: AnsibleModule, path: str, raw: Dict[str, Any]) -> Definition:
    """The definition that the options of a single resource add up to. Fails the module with what is wrong."""
    try:
        return parse(path, raw, module.params.get("node") or os.uname().nodename)
    except DefinitionError as error:
        texts = [str(problem).replace(", section [DEFAULT]", "") for problem in error.problems]
        problems = [_DAEMON_KEYWORD.sub(_as_option, text) for text in texts]
        fail(module, "\n".join(problems), problems=problems)


def _as_option(match: Match[str]) -> str:
    """What the modules about one resource call a keyword of the whole service."""
    return "data_root" if match.group(1) == "data_dir" else match.group(1)


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
