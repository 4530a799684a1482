# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a definition places a service, against what the inventory knows."""

from __future__ import annotations

from typing import Any, Collection, Iterator, Mapping

from ansible_collections.dockyard.svc.plugins.module_utils.definition.model import Definition

_SCOPES = ("nodes", "drpnodes")


def unknown_nodes(written: Mapping[str, Any], definition: Definition, known: Collection[str]) -> list[str]:
    """The nodes that a definition names and the inventory does not know, each with the place."""
    places = dict.fromkeys(definition.placement, "nodes")
    for key in _keys(written):
        _name, at, scope = key.partition("@")
        if at and scope not in _SCOPES:
            places.setdefault(scope, key)
    return ["%s (%s of %s)" % (node, place, definition.path) for node, place in places.items() if node not in known]


def _keys(written: Mapping[str, Any]) -> Iterator[str]:
    """The keywords as they are written, with their scopes: those beside the sections, and those in them."""
    for name, value in written.items():
        if isinstance(value, Mapping):
            yield from map(str, value)
        yield str(name)
