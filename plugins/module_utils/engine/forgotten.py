# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a service has started here by an earlier definition, and its present one does not have."""

from __future__ import annotations

from typing import List, Tuple

from ..drivers.base import Daemon
from ..node.machine import Machine


def forgotten(machine: Machine, daemon: Daemon, rids: List[str]) -> List[Tuple[str, str]]:
    """What is not among the resources `rids` and was started in this boot: rid and what it is, in words.

    Raises Undetermined when it cannot be told.
    """
    record = machine.record
    known = {record.claimed(rid) for rid in rids}
    claims = {rid: record.claimed(rid) for rid in record.claimed_since_boot() if rid not in rids}
    found = [(rid, what) for rid, what in claims.items() if what not in known]
    for rid in record.keys("containers"):
        container_id = str(record.get("containers", rid))
        if rid not in rids and daemon.container_pids(container_id):
            found.append((rid, "container %.12s" % container_id))
    return found
