# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Any docker command, on the daemon of a service."""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, List, Union

from ..definition.errors import nearest, quoted
from ..definition.model import Definition
from ..drivers.dockerd import Dockerd
from ..node.commands import Runner, execute
from ..node.errors import CommandFailed, NodeError
from ..node.journal import Journal, shell_line
from ..node.machine import Host
from .footing import Footing
from .instance import Instance
from .lock import locked

_REFERENCE = re.compile(r"\{(container#[A-Za-z0-9_]{1,16})\}")
_ELSEWHERE = ("--host", "--context", "--config", "--tls", "--tlscacert", "--tlscert", "--tlskey", "--tlsverify")
_FAILED = 125  # what docker itself returns when it could not even begin


def read_words(args: Union[str, List[Any]]) -> List[str]:
    """The arguments as a list. Raises ValueError when they cannot be split, or would lead to another daemon."""
    if isinstance(args, str):
        try:
            words = shlex.split(args)
        except ValueError as error:
            raise ValueError(
                "the docker arguments %s cannot be split as a shell would: %s" % (quoted(args), error)
            ) from error
    elif isinstance(args, list):
        words = [str(word) for word in args]
    else:
        raise ValueError("the docker arguments must be a text or a list")
    if not words:
        raise ValueError("there are no docker arguments: try docker_args='ps -a'")
    if any("\0" in word for word in words):
        raise ValueError("the docker arguments hold a NUL byte")
    first = words[0]
    if first.startswith("-") and first not in ("--version", "-v", "--help"):
        option = first.partition("=")[0]
        if option in _ELSEWHERE or option.startswith(("-H", "-c")):
            raise ValueError("%s is refused: the command runs on the service's own socket" % quoted(first))
        raise ValueError(
            "the docker arguments begin with the option %s: a docker command such as 'ps' comes first" % quoted(first)
        )
    return words


def run(definition: Definition, host: Host, words: List[str], timeout: float, check_mode: bool) -> Dict[str, Any]:
    """Run a docker command for one service; its outcome with the real exit code. Starts a private daemon that is down."""
    runner = Runner(Journal(str(definition.path)), check_mode)
    instance = Instance(definition, host, runner)
    outcome: Dict[str, Any] = {"changed": False, "cmd": "", "rc": 0, "stdout": "", "stderr": "", "commands": []}
    if not definition.runs_here:
        return {**outcome, "skipped": True}
    try:
        argv = ["docker", "--host", "unix://" + instance.daemon.socket] + _with_names(definition, words)
        outcome["cmd"] = shell_line(argv)
        outcome["changed"] = _have_daemon(instance)
        if not check_mode:
            result = execute(argv, timeout, {"DOCKER_CONFIG": instance.machine.docker_config})
            outcome.update(rc=result.rc, stdout=result.stdout, stderr=result.stderr)
    except CommandFailed as error:
        outcome.update(rc=error.rc or _FAILED, stdout=error.stdout, stderr=str(error))
    except NodeError as error:
        outcome.update(rc=_FAILED, stderr=str(error))
    outcome["commands"] = runner.journal.commands()
    return outcome


def _have_daemon(instance: Instance) -> bool:
    """Make sure that the daemon answers; whether it was started. The lock is held for that, not for the command."""
    daemon = instance.daemon
    if daemon.look().state == "up":
        return False
    if not isinstance(daemon, Dockerd):
        daemon.check_start()
        return False
    with locked(instance.machine, "docker", instance.definition.values["lock_timeout"]):
        Footing(instance.drivers).check_data_root(daemon.data_root)
        return daemon.start()


def _with_names(definition: Definition, words: List[str]) -> List[str]:
    """The words with each `{container#N}` replaced. Raises NodeError for a container that the service does not have."""
    names = {r.rid: definition.path.container_name(r.index) for r in definition.resources if r.group == "container"}

    def name(match: re.Match[str]) -> str:
        rid = match.group(1)
        if rid not in names:
            raise NodeError("the service %s has no %s%s" % (definition.path, rid, nearest(rid, names)))
        return names[rid]

    return [_REFERENCE.sub(name, word) for word in words]
