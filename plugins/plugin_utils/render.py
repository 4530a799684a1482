# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statuses as text: the tree of one service and the table of many."""

from __future__ import annotations

from typing import Any, Iterable

GROUPS = ("ip", "disk", "fs", "container")
MARKS = {"up": "O", "stdby up": "o", "down": "X", "stdby down": "x", "warn": "!", "undef": "?", "n/a": "/"}
"""The sign of a service on a node in the monitor table; `*` behind it is a frozen one."""


NOT_READ = "could not be reached or read"
NOT_ASKED = "was not asked"


def tree(statuses: Iterable[dict[str, Any]], unread: Iterable[str] = ()) -> str:
    """The tree of services, one instance a node; the statuses of one service on several nodes go under one root.

    `unread` names the nodes that were asked and have given no statuses.
    """
    lines: list[str] = []
    for path, by_node in _services(statuses, unread).items():
        instances = list(by_node.values())
        here = [status for status in instances if status["here"]] or instances
        lines += _service(path, here)
    return "\n".join(lines)


def _services(statuses: Iterable[dict[str, Any]], unread: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """The statuses by path and node, with those of nodes where the service may run and of which nothing is known."""
    services: dict[str, dict[str, dict[str, Any]]] = {}
    for status in statuses:
        services.setdefault(status["path"], {})[status["node"]] = status
    silent = list(unread)
    for instances in services.values():
        first = next(iter(instances.values()))
        allowed = first.get("nodes") or []
        for node in [name for name in silent if name in allowed or not allowed] + allowed:
            if node not in instances:
                why = NOT_READ if node in silent else NOT_ASKED
                instances[node] = _unknown(first, list(instances.values()), node, why)
    return services


def _unknown(like: dict[str, Any], others: list[dict[str, Any]], node: str, why: str) -> dict[str, Any]:
    """The status of a service on a node of which nothing is known."""
    here = [status["groups"] for status in others if status["here"]]
    groups = {group: "n/a" if here and all(g[group] == "n/a" for g in here) else "undef" for group in GROUPS}
    states = {"avail": "undef", "overall": "undef", "frozen": False, "here": True, "unknown": why}
    return {**like, **states, "node": node, "groups": groups, "resources": {}, "daemon": None, "problems": []}


def _service(path: str, instances: list[dict[str, Any]]) -> list[str]:
    rows: list[tuple[str, str, str]] = [(path, _lead(instances)["overall"], "")]
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
    if "unknown" in status:
        return str(status["unknown"])
    notes = [status["action"] or "idle"]
    if not status["here"]:
        notes.append("does not run here")
    elif status["avail"] in ("up", "stdby up"):
        notes.append("started")
    if status["frozen"]:
        notes.append("frozen")
    return ", ".join(notes)


def _lead(instances: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The instance that stands for a service: it is up when one is, and in doubt rather in doubt than down.

    A node that was not asked counts only where none of the others is up.
    """
    order = ("warn", "undef", "up", "stdby up", NOT_ASKED, "down", "stdby down", "n/a")
    return min(
        instances,
        key=lambda status: order.index(NOT_ASKED if status.get("unknown") == NOT_ASKED else status["overall"]),
    )


def monitor(statuses: Iterable[dict[str, Any]], unread: Iterable[str] = ()) -> str:
    """The table of services: the state of each group, avail, overall, frozen, and a sign for each node.

    `unread` names the nodes that were asked and have given no statuses.
    """
    services = _services(statuses, unread)
    everywhere = [status for by_node in services.values() for status in by_node.values()]
    answered = dict.fromkeys(status["node"] for status in everywhere if "unknown" not in status)
    nodes = {**answered, **dict.fromkeys(status["node"] for status in everywhere)}
    header = ["Services", "env", *GROUPS, "avail", "overall", "frozen", "", *nodes]
    rows = [header]
    for path in sorted(services):
        instances = services[path]
        here = [status for status in instances.values() if status["here"]] or list(instances.values())
        lead = _lead(here)
        frozen = "True" if any(status["frozen"] for status in here) else "False"
        states = [lead["groups"][group] for group in GROUPS] + [lead["avail"], lead["overall"], frozen]
        elsewhere = "/" if lead.get("nodes") else "?"
        absent = {node: "/" if node in answered else elsewhere for node in nodes}
        marks = [_mark(instances[node]) if node in instances else absent[node] for node in nodes]
        rows.append([" " + path, lead["env"], *states, "|", *marks])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join(" ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _mark(status: dict[str, Any]) -> str:
    if not status["here"]:
        return "/"
    return MARKS.get(status["overall"], "?") + ("*" if status["frozen"] else "")
