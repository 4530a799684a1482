# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Waiting for a container that was started, until it is up or will not be."""

from __future__ import annotations

import time
from typing import Callable, Optional

from .container_lookup import Found
from .container_status import ending_of

_START_TIMEOUT = 5.0
_POLL = 0.1
_SECOND = 1000000000


def wait_until_up(
    find: Callable[[], Optional[Found]],
    doubt_of: Callable[[Found], str],
    timeout: Optional[float],
    passed: float,
    settle: float,
) -> str:
    """Wait until a container runs, is healthy where it has a health check, and still runs after `settle` seconds.

    `passed` is how long it is known to run already, in seconds, `timeout` how long it may take, by default what its health
    check needs. The answer says why it is not up; it is empty when it is.
    """
    began = time.monotonic() - passed
    time.sleep(max(0.0, settle - passed))
    while True:
        found = find()
        passed = time.monotonic() - began
        if found is None:
            return "is gone"
        if found.state in ("exited", "dead", "removing"):
            return "has ended with " + ending_of(found)
        if found.health == "unhealthy":
            return "runs, but its health check says unhealthy"
        doubt = doubt_of(found)
        if found.runs and not doubt:
            return ""
        if passed > (_needed(found) if timeout is None else timeout):
            return "is not up after %.1f s: %s" % (passed, doubt if found.runs else "docker says " + found.state)
        time.sleep(_POLL)


def _needed(found: Found) -> float:
    """How long the health check needs until it gives up. Its defaults are those of docker-run(1)."""
    if not found.health:
        return _START_TIMEOUT
    check = found.inspect.get("Config", {}).get("Healthcheck") or {}
    interval = (check.get("Interval") or 30 * _SECOND) / _SECOND
    timeout = (check.get("Timeout") or 30 * _SECOND) / _SECOND
    start_period = (check.get("StartPeriod") or 0) / _SECOND
    return float(start_period + interval + (check.get("Retries") or 3) * (interval + timeout))
