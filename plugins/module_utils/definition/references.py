# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a value means on one node: scopes (`keyword@node`) and references (`{svcpath}`, `{env.x}`, `{fs#1.mnt}`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from .errors import kind_of, nearest
from .paths import ServicePath

_REFERENCE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_#]*(?:\.[A-Za-z0-9_#@.-]+(?:\[[0-9]{1,3}\])?)?)\}")
NAMES = {
    "svcpath": "The service path, such as C(app1-prd/svc1), or C(svc1) in the root namespace.",
    "svcname": "The name of the service, such as C(svc1).",
    "namespace": "The namespace, such as C(app1-prd); C(root) for the root namespace.",
    "nodename": "The inventory host name of the node.",
    "rid": "The section that the keyword stands in, such as C(container#0).",
}
"""The references that need no dot, and what they stand for."""
_DEPTH = 8
_LENGTH = 65536

EXPOSED_DEVICE = "exposed_devs[0]"
"""What a reference calls the device of a disk, as in `{disk#1.exposed_devs[0]}`."""

RawSection = Mapping[str, Any]


@dataclass(frozen=True)
class NoValue:
    """Something that a reference may name, but that has no value; why, and what to write."""

    reason: str


def scoped_value(
    section: RawSection, name: str, node: str, nodes: Tuple[str, ...], drpnodes: Tuple[str, ...]
) -> Optional[str]:
    """The key under which `section` gives keyword `name` for `node`, most specific first; None when it does not."""
    keys = ["%s@%s" % (name, node)]
    if node in nodes:
        keys.append(name + "@nodes")
    if node in drpnodes:
        keys.append(name + "@drpnodes")
    keys.append(name)
    return next((key for key in keys if key in section), None)


class References:
    """The references that the values of one service may hold, on one node."""

    def __init__(self, path: ServicePath, node: str, lookup: Dict[str, Dict[str, Any]]):
        """`lookup` maps a section name to the values that references may name, as written for this node."""
        self._lookup = lookup
        self._fixed = {
            "svcpath": str(path),
            "svcname": path.name,
            "namespace": path.namespace or "root",
            "nodename": node,
        }

    def resolve(self, value: Any, section: str, free_text: bool) -> Any:
        """Replace the references in a text, a list or a mapping.

        In `free_text` an unknown word in braces is left as it stands, because commands may hold braces of their own;
        elsewhere, and where it begins with `env.` or a section, it is an error. Raises ValueError for that, for
        references that go round in a circle, and for texts that they make too long.
        """
        if isinstance(value, list):
            return [self._resolve_item(item, section, free_text) for item in value]
        if isinstance(value, dict):
            return {key: self._resolve_item(item, section, free_text) for key, item in value.items()}
        return self._resolve_item(value, section, free_text)

    def _resolve_item(self, value: Any, section: str, free_text: bool) -> Any:
        """What is nested deeper stays as it is: no keyword takes it, and YAML can nest a list in itself."""
        return self._resolve_text(value, section, free_text, 0) if isinstance(value, str) else value

    def _resolve_text(self, text: str, section: str, free_text: bool, depth: int) -> str:
        if depth > _DEPTH:
            raise ValueError("its references go round in a circle")

        def replace(match: re.Match[str]) -> str:
            found = self._find(match.group(1), section)
            if found is None:
                where, dot, _keyword = match.group(1).partition(".")
                if free_text and not (dot and (where in ("env", "DEFAULT") or "#" in where)):
                    return match.group(0)
                raise ValueError("unknown reference %s%s" % (match.group(0), nearest(match.group(1), self._known())))
            return self._resolve_text(found, section, free_text, depth + 1)

        resolved = _REFERENCE.sub(replace, text)
        if len(resolved) > _LENGTH and resolved != text:
            raise ValueError("its references make it longer than %d characters" % _LENGTH)
        return resolved

    def _find(self, name: str, section: str) -> Optional[str]:
        if name == "rid":
            return section
        if name in self._fixed:
            return self._fixed[name]
        where, dot, keyword = name.partition(".")
        values = self._lookup.get(where, {}) if dot else {}
        if keyword not in values:
            return None
        found = values[keyword]
        if isinstance(found, NoValue):
            raise ValueError("{%s}: %s" % (name, found.reason))
        if isinstance(found, bool):
            return "true" if found else "false"
        if not isinstance(found, (str, int, float)):
            raise ValueError("the value of {%s} is %s: only a text or a number can be put in" % (name, kind_of(found)))
        return str(found)

    def _known(self) -> Dict[str, None]:
        names = dict.fromkeys(NAMES)
        for section, values in self._lookup.items():
            names.update(dict.fromkeys("%s.%s" % (section, keyword) for keyword in values))
        return names
