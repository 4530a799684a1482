# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Who may write in a file system that carries something of root's."""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence, Tuple

from . import mount_options
from .model import ResourceDefinition
from .order import is_inside

_ROOT = (None, "", "root", "0")
_OTHERS_WRITE = 0o022
_STICKY = 0o1000


def owner_refusals(resources: Sequence[ResourceDefinition], data_root: Optional[str]) -> Iterator[Tuple[str, str, str]]:
    """What would let others than root replace a mount point or the data root, as (section, keyword, sentence).

    The same rule as `files.check_root_owned` has on the node, where it would come too late: once the file system is mounted.
    """
    systems = [resource for resource in resources if resource.group == "fs" and not resource.values["disable"]]
    for system in systems:
        folder = system.values["mnt"]
        carried = ["%s (%s)" % (other.values["mnt"], other.rid) for other in systems if _is_below(other, folder)]
        if data_root and is_inside(data_root, folder):
            carried.append("%s (docker_data_dir)" % data_root)
        if carried:
            for keyword, reason in _reasons(system):
                message = "%s and could replace what root uses below: %s; give that a folder outside %s"
                yield system.rid, keyword, message % (reason, ", ".join(carried), folder)


def _is_below(other: ResourceDefinition, folder: str) -> bool:
    return other.values["mnt"] != folder and is_inside(other.values["mnt"], folder)


def _reasons(system: ResourceDefinition) -> List[Tuple[str, str]]:
    """Why others than root can write in the root folder of a file system, with the keyword that says so."""
    user = system.values["user"]
    bits = mount_options.mode(system.values["perm"]) or 0
    reasons = []
    if user not in _ROOT:
        reasons.append(("user", "%s owns the root folder" % user))
    if bits & _OTHERS_WRITE and not bits & _STICKY:
        reasons.append(("perm", "others than root write in the root folder"))
    return reasons
