# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which services and which of their resources an action is for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Dict, Iterable, List, Tuple

from .errors import nearest, quoted
from .keywords import OLD_SECTIONS
from .model import Definition, ResourceDefinition

_GLOB = "*?["


def select_services(patterns: str, paths: Iterable[str]) -> List[str]:
    """The service paths that a comma-separated list of patterns selects, in the order of `paths`.

    `*/*` takes every service, the root namespace included; a pattern without a slash is about the root namespace.
    Raises ValueError when a path that is no pattern does not exist, or when nothing at all is selected.
    """
    known = list(paths)
    chosen: List[str] = []
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    if not wanted:
        raise ValueError("no service is named; */* takes every one")
    for pattern in wanted:
        matches = [path for path in known if _matches(pattern, path)]
        if not matches and not any(char in pattern for char in _GLOB):
            raise ValueError("there is no service %s%s" % (quoted(pattern), nearest(pattern, known)))
        chosen.extend(matches)
    if not chosen:
        raise ValueError(
            "no service matches %s; there are %d services%s" % (quoted(patterns), len(known), _some(known))
        )
    selected = set(chosen)
    return [path for path in known if path in selected]


def select_resources(selection: str, definitions: Dict[str, Definition]) -> Dict[str, Tuple[str, ...]]:
    """The rids that a comma-separated list of rids, groups and group.types selects, by service; empty selects all.

    Raises ValueError for an item that no service has.
    """
    items = [_current(item.strip()) for item in selection.split(",") if item.strip()]
    if not items:
        return {path: tuple(r.rid for r in definition.resources) for path, definition in definitions.items()}
    known = [
        name for definition in definitions.values() for resource in definition.resources for name in _names(resource)
    ]
    selected: Dict[str, Tuple[str, ...]] = {}
    used = set()
    for path, definition in definitions.items():
        rids = []
        for resource in definition.resources:
            names = [item for item in items if item in _names(resource)]
            used.update(names)
            if names:
                rids.append(resource.rid)
        selected[path] = tuple(rids)
    for item in items:
        if item not in used:
            raise ValueError("no selected service has a resource %s%s" % (quoted(item), nearest(item, known)))
    return selected


def _current(item: str) -> str:
    """The present name of an older one: `vg#1` is disk#1 now, and `vg` is disk.vg."""
    group, hash_sign, index = item.partition("#")
    if group not in OLD_SECTIONS:
        return item
    return "%s#%s" % (OLD_SECTIONS[group][0], index) if hash_sign else "%s.%s" % OLD_SECTIONS[group]


def _names(resource: ResourceDefinition) -> Tuple[str, str, str]:
    return (resource.rid, resource.group, "%s.%s" % (resource.group, resource.type))


def _matches(pattern: str, path: str) -> bool:
    namespace, _slash, name = path.rpartition("/")
    wanted_namespace, _slash, wanted_name = pattern.rpartition("/")
    return fnmatchcase(namespace, wanted_namespace) and fnmatchcase(name, wanted_name)


def _some(paths: List[str]) -> str:
    return ": " + ", ".join(paths[:5]) + (", ..." if len(paths) > 5 else "") if paths else ""
