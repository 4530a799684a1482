# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The network of another container of the service, which `netns: container#N` gives to a container.

docker remembers the other one by its id, and the network ends with the other one's processes. So a container whose partner
was made anew cannot be started any more, and one whose partner was started again has no network, though it runs.
"""

from __future__ import annotations

import os
from typing import Optional

from ..node.errors import NodeError
from .container_lookup import Found, Lookup

_MODE = "container:"


class SharedNetwork:
    """What a container has of the network of its `partner`, the resource `rid`.

    `partner_is_new` tells whether each start makes the partner anew, `is_new` whether it makes the container itself anew.
    """

    def __init__(self, own: Lookup, partner: Lookup, rid: str, is_new: bool, partner_is_new: bool):
        self._own = own
        self._partner = partner
        self._rid = rid
        self._is_new = is_new
        self._partner_is_new = partner_is_new

    def problem(self, found: Found) -> str:
        """Why a container has no network, or could not be started; empty when all is well. Raises Undetermined."""
        if not found.inspect:
            return ""
        partner = self._partner.find()
        former = _named(found.network, partner)
        if former:
            return "it was made with the network of container %s, which %s is not any more" % (former[:12], self._rid)
        if partner is None or not partner.inspect or not found.pid:
            return ""
        if not partner.pid:
            return "%s, whose network it uses, does not run" % self._rid
        ours, theirs = _namespace(found.pid), _namespace(partner.pid)
        if ours and theirs and ours != theirs:
            return "%s, whose network it uses, was started after it: it has no network any more" % self._rid
        return ""

    def refuse_lost(self, socket: str, daemon_is_up: bool) -> None:
        """Raise NodeError when docker could not start the container again, and making it anew would lose what it wrote."""
        if self._is_new:
            return
        find = Lookup.find if daemon_is_up else Lookup.stored
        found, partner = find(self._own), find(self._partner)
        if found is None:
            return
        former, why = _named(found.network, partner), "is another one now"
        if not former and self._partner_is_new and partner and not partner.pid and found.network.startswith(_MODE):
            former, why = partner.id, "is made anew by each start"
        if former:
            raise NodeError(
                "it was made with the network of container %s, and %s %s: docker cannot start it again. Remove it, and with "
                "it what it wrote inside, with 'docker --host unix://%s rm %s' (with the daemon down: by the playbook "
                "dockyard.svc.docker); rm: true does so at each start"
                % (former[:12], self._rid, why, socket, found.id[:12])
            )


def _named(mode: str, partner: Optional[Found]) -> str:
    """The id in a network mode when it is not the partner's."""
    named = mode[len(_MODE) :] if mode.startswith(_MODE) else ""
    return "" if partner and named in (partner.id, partner.name) else named


def _namespace(pid: int) -> str:
    """The network namespace of a process, an empty string when it has ended."""
    try:
        return os.readlink("/proc/%d/ns/net" % pid)
    except OSError:
        return ""
