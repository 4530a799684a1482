# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The names of resources: `<group>#<index>`, and what older definitions called them."""

from __future__ import annotations

import re

RID = re.compile(r"([a-z]+)#([A-Za-z0-9_]{1,16})")
OLD_SECTIONS = {"vg": ("disk", "vg"), "loop": ("disk", "loop"), "lv": ("disk", "lv")}
"""Section names of older definitions: `[vg#1]` means `[disk#1]` with `type = vg`."""


def current_name(name: str) -> str:
    """The present name of a resource or a group: `vg#1` is disk#1 now, and `vg` is disk.vg."""
    group, hash_sign, index = name.partition("#")
    if group not in OLD_SECTIONS:
        return name
    return "%s#%s" % (OLD_SECTIONS[group][0], index) if hash_sign else "%s.%s" % OLD_SECTIONS[group]
