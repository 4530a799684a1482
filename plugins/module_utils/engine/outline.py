# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Statuses as short text, one line a service and a resource, for diff mode."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional


def outline(statuses: Iterable[Optional[Dict[str, Any]]]) -> str:
    """The state of each service and its resources."""
    lines = []
    for status in statuses:
        if status is None:
            continue
        lines.append("%s: %s%s" % (status["path"], status["overall"], " (frozen)" if status["frozen"] else ""))
        lines += ["  %s: %s" % (rid, resource["state"]) for rid, resource in status["resources"].items()]
        if status["daemon"] and status["daemon"]["private"]:
            lines.append("  docker daemon: %s" % status["daemon"]["state"])
    return "\n".join(lines) + "\n" if lines else ""
