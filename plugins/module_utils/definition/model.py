# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A checked definition, as the engine and the drivers see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Tuple

from .keywords import GROUPS
from .paths import ServicePath, short_id


@dataclass(frozen=True)
class ResourceDefinition:
    """One resource section. `values` holds every keyword of its type, defaults filled in; `given` those written."""

    rid: str
    group: str
    index: str
    type: str
    values: Dict[str, Any]
    given: FrozenSet[str] = frozenset()

    @property
    def sort_key(self) -> Tuple[int, str, int, str]:
        """Group, subset (none first), then index: by number, so that container#2 comes before container#10."""
        number = int(self.index) if self.index.isdigit() else 1 << 30
        return (GROUPS.index(self.group), self.values.get("subset") or "", number, self.index)


@dataclass(frozen=True)
class Definition:
    """One service as it is meant on one node. Its `resources` stand in the order of a start."""

    path: ServicePath
    id: str
    node: str
    values: Dict[str, Any]
    resources: Tuple[ResourceDefinition, ...]
    parallel_subsets: FrozenSet[str] = field(default_factory=frozenset)

    @property
    def placement(self) -> List[str]:
        """The nodes where the service may run; empty when it may run anywhere."""
        return (self.values["nodes"] or []) + (self.values["drpnodes"] or [])

    @property
    def runs_here(self) -> bool:
        """Whether the service may run on this node."""
        return not self.placement or self.node in self.placement

    @property
    def failover(self) -> bool:
        """Whether the service may move between nodes, so that what it uses must be guarded against the others."""
        return len(self.values["nodes"] or ()) > 1

    @property
    def short_id(self) -> str:
        """The service's id where a name must be short."""
        return short_id(self.id)

    @property
    def private(self) -> bool:
        """Whether the service has a Docker daemon of its own."""
        return bool(self.values["docker_data_dir"])
