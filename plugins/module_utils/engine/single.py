# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""One resource in a call, for people who compose their own roles: the same drivers under the same lock."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ..definition.model import Definition
from ..drivers.base import Status
from ..drivers.dockerd import Dockerd
from ..node.commands import Runner
from ..node.errors import NodeError
from ..node.journal import Journal
from ..node.machine import Host
from . import many
from .instance import Instance
from .lock import locked


def act_on_daemon(definition: Definition, host: Host, bridge: bool, state: str, check_mode: bool) -> Dict[str, Any]:
    """Bring the private daemon of a service into a state; containers that run in it keep it from being stopped."""
    instance = Instance(definition, host, Runner(Journal(str(definition.path)), check_mode))
    daemon = Dockerd(definition, instance.machine, needs_bridge=bridge)

    def stop() -> bool:
        running = daemon.running_containers() if daemon.look().state == "up" else {}
        if running:
            raise NodeError("the docker daemon still runs containers: %s" % ", ".join(sorted(running.values())))
        changed = daemon.stop()
        if not check_mode:
            daemon.evidence()
        return changed

    def status() -> Dict[str, Any]:
        look = daemon.look()
        return {"state": look.state, "reason": look.reason, "pid": look.pid, "socket": daemon.socket}

    return _act(instance, state, daemon.start if state == "started" else stop, status)


def act_on_container(definition: Definition, host: Host, state: str, check_mode: bool) -> Dict[str, Any]:
    """Bring the only container of a definition into a state. Its daemon must be up for a start."""
    instance = Instance(definition, host, Runner(Journal(str(definition.path)), check_mode))
    driver = instance.drivers[0]

    def start() -> bool:
        look = instance.daemon.look()
        if look.state != "up":
            of_node = "start the node's docker daemon, or give the data_root of a private one"
            advice = "start it with dockyard.svc.dockerd first" if definition.private else of_node
            raise NodeError("%s: %s" % (look.reason, advice))
        driver.check_start()
        changed = driver.start()
        driver.settle()
        return changed

    def status() -> Dict[str, Any]:
        found: Status = instance.state_of(driver)
        return {
            "state": found.state,
            "label": found.label,
            "log": [remark.text for remark in found.remarks],
            **found.facts,
        }

    return _act(instance, state, start if state == "started" else driver.stop, status)


def act_on_resource(
    definition: Definition, host: Host, state: str, check_mode: bool, step: Callable[[], None] = lambda: None
) -> Dict[str, Any]:
    """Bring the only resource of a definition into a state, as a whole service is. `step` is called before each change."""
    instance = Instance(definition, host, Runner(Journal(str(definition.path)), check_mode, step))
    driver = instance.drivers[0]
    outcome = many.act_on_one(instance, [driver.rid], state)
    failed = bool(outcome["failed"])
    return {
        "changed": outcome["changed"],
        "failed": failed,
        "msg": "%s.%s" % (definition.path, outcome["msg"]) if failed else outcome["msg"],
        "status": (outcome["status"] or {}).get("resources", {}).get(driver.rid),
        "evidence": outcome["evidence"].get(driver.rid, {}),
        "commands": outcome["commands"],
    }


def _act(
    instance: Instance, state: str, work: Callable[[], bool], status: Callable[[], Dict[str, Any]]
) -> Dict[str, Any]:
    outcome: Dict[str, Any] = {"changed": False, "failed": False, "msg": state}
    try:
        with locked(instance.machine, state, instance.definition.values["lock_timeout"]):
            outcome["changed"] = work()
            outcome["status"] = status()
    except NodeError as error:
        outcome.update(failed=True, msg="%s: %s" % (instance.definition.path, error))
        outcome["changed"] = bool(instance.run.journal.commands())
    outcome["commands"] = instance.run.journal.commands()
    return outcome
