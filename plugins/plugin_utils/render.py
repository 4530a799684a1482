# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statuses as text: the tree of one service and the table of many."""

from __future__ import annotations

from typing import Any, Iterable

GROUPS = ("ip", "disk", "fs", "container")
MARKS = {"up": "O", "stdby up": "o", "down": "X", "stdby down": "x", "warn": "!", "undef": "?", "n/a": "/"}
"""The sign of a service on a node in the monitor table; `*` behind it is a frozen one."""


def tree(statuses: Iterable[dict[str, Any]]) -> str:
    """The tree of services, one instance a node; the statuses of one service on several nodes go under one root."""
    services: dict[str, list[dict[str, Any]]] = {}
    for status in statuses:
        services.setdefault(status["path"], []).append(status)
    lines: list[str] = []
    for path, instances in services.items():
        here = [status for status in instances if status["here"]] or instances
        lines += _service(path, here)
    return "\n".join(lines)


def _service(path: str, instances: list[dict[str, Any]]) -> list[str]:
    rows: list[tuple[str, str, str]] = [(path, _best(status["overall"] for status in instances), "")]
    rows.append(("`- instances", "", ""))
    for number, status in enumerate(instances):
        last_instance = number == len(instances) - 1
        rows.append((("   `- " if last_instance else "   |- ") + status["node"], status["overall"], _notes(status)))
        indent = "      " if last_instance else "   |  "
        resources = list(status["resources"].items())
        for position, (rid, resource) in enumerate(resources):
            last = position == len(resources) - 1
            head = indent + ("`- " if last else "|- ") + rid
            rows.append((head, resource["state"], resource["label"], _flags(resource)))  # type: ignore[arg-type]
            for line in resource["log"]:
                mark = "" if line["level"] == "info" else line["level"] + ": "
                rows.append((indent + ("   " if last else "|  "), "", "# %s%s" % (mark, line["text"])))
        for problem in (status["daemon"] or {}).get("problems", []):
            rows.append((indent, "", "# warn: docker daemon: %s" % problem))
        rows += [(indent, "", "# warn: %s" % problem) for problem in status["problems"]]
    width = max(len(row[0]) for row in rows) + 2
    return [_row(row, width).rstrip() for row in rows]


def _row(row: Any, width: int) -> str:
    head, state, text = row[:3]
    flags = row[3] if len(row) > 3 else ""
    return "%-*s %-8s %-10s %s" % (width, head, flags, state, text)


def _flags(resource: dict[str, Any]) -> str:
    """Eight places: R running, M monitored, D disabled, O optional, E encap, P provisioned, S standby, restarts left."""
    return ".%s%s%s..%s." % (
        "M" if resource["monitored"] else ".",
        "D" if resource["disabled"] else ".",
        "O" if resource["optional"] else ".",
        "S" if resource["standby"] else ".",
    )


def _notes(status: dict[str, Any]) -> str:
    notes = [status["action"] or "idle"]
    if not status["here"]:
        notes.append("does not run here")
    elif status["avail"] in ("up", "stdby up"):
        notes.append("started")
    if status["frozen"]:
        notes.append("frozen")
    return ", ".join(notes)


def _best(states: Iterable[str]) -> str:
    """The state of a service over its nodes: it is up when one instance is, and in doubt rather in doubt than down."""
    order = ("warn", "undef", "up", "stdby up", "down", "stdby down", "n/a")
    return min(states, key=order.index)


def monitor(statuses: Iterable[dict[str, Any]]) -> str:
    """The table of services: the state of each group, avail, overall, frozen, and a sign for each node."""
    services: dict[str, dict[str, dict[str, Any]]] = {}
    nodes: dict[str, None] = {}
    for status in statuses:
        services.setdefault(status["path"], {})[status["node"]] = status
        nodes.setdefault(status["node"])
    header = ["Services", "env", *GROUPS, "avail", "overall", "frozen", "", *nodes]
    rows = [header]
    for path in sorted(services):
        instances = services[path]
        here = [status for status in instances.values() if status["here"]] or list(instances.values())
        lead = min(here, key=lambda status: status["overall"] != _best(item["overall"] for item in here))
        frozen = "True" if any(status["frozen"] for status in here) else "False"
        states = [lead["groups"][group] for group in GROUPS] + [lead["avail"], lead["overall"], frozen]
        rows.append([" " + path, lead["env"], *states, "|", *(_mark(instances.get(node)) for node in nodes)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(" ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _mark(status: dict[str, Any] | None) -> str:
    if status is None or not status["here"]:
        return "/"
    return MARKS.get(status["overall"], "?") + ("*" if status["frozen"] else "")
