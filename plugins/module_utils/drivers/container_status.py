# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What the daemon tells of a container, as the status of the resource."""

from __future__ import annotations

from typing import Any, Dict, List

from ..node import processes
from .base import DOWN, UP, WARN, Daemon, Remark, Status
from .container_lookup import Found

_ENDED_AS_ASKED = (0, 143)
_KILLED = 137


def doubt_of(found: Found, daemon: Daemon) -> str:
    """Why a container that docker calls running is not simply up; docker may be late with the end of its process."""
    if found.health not in ("", "healthy"):
        return "the health check says %s" % found.health
    if found.pid and not processes.find(found.pid) and not daemon.container_pids(found.id):
        return "docker says running, but process %d does not exist" % found.pid
    if daemon.container_group(found.id).is_frozen():
        return "docker says running, but its control group is frozen: no process of it does anything"
    if found.restarts:
        return "docker has restarted it %d times: it does not stay up" % found.restarts
    return ""


def ending_of(found: Found) -> str:
    """How a container has ended, in words."""
    state = found.inspect["State"]
    code = state.get("ExitCode")
    if state.get("OOMKilled"):
        return "exit code %s (killed: it was out of memory)" % code
    return "exit code %s%s" % (code, " (killed)" if code == _KILLED else "")


def read_found(status: Status, found: Found, image_name: str, daemon: Daemon, network_problem: str) -> None:
    """Fill in the status from a container that exists. Raises Undetermined when the daemon stops answering."""
    state: Dict[str, Any] = found.inspect["State"]
    status.facts = {
        "id": found.id,
        "docker_state": found.state,
        "pid": found.pid or None,
        "health": found.health or None,
    }
    if found.runs:
        status.state = UP
        doubt = doubt_of(found, daemon) or network_problem
        if doubt:
            status.state = WARN
            status.remarks.append(Remark("warn", doubt))
    elif found.state in ("exited", "created"):
        status.state = DOWN
        if found.state == "exited" and (state.get("ExitCode") not in _ENDED_AS_ASKED or state.get("OOMKilled")):
            status.remarks.append(Remark("info", "ended with %s" % ending_of(found)))
        if network_problem:
            status.remarks.append(Remark("warn", network_problem))
    else:
        status.state = WARN
        status.remarks.append(Remark("warn", "docker says %s" % found.state))
    status.remarks += _drift(found, image_name, daemon)


def _drift(found: Found, image_name: str, daemon: Daemon) -> List[Remark]:
    """Where the container is no longer what the definition says."""
    remarks = []
    if found.restart_policy:
        text = "its restart policy is %s: docker may start it before what it needs" % found.restart_policy
        remarks.append(Remark("warn", text))
    image, used = daemon.api().image(image_name), found.inspect["Image"]
    if image is None:
        remarks.append(Remark("warn", "the image %s is not there any more" % image_name))
    elif image["Id"] != used:
        text = "the current container is based on image %s instead of %s" % (used[7:19], image["Id"][7:19])
        remarks.append(Remark("warn", text))
    return remarks
