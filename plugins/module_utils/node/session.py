# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The session that this process works for: where it came in."""

from __future__ import annotations

import ipaddress
import os
from typing import Optional

from .addresses import IpAddress

_ANCESTORS = 32


def entry_address() -> Optional[IpAddress]:
    """The address of this node through which the present SSH session came in, None when there is none.

    sudo takes SSH_CONNECTION out of the environment, so the processes above this one are asked, too.
    """
    text = os.environ.get("SSH_CONNECTION", "")
    pid = os.getppid()
    for _step in range(_ANCESTORS):
        if text or pid <= 1:
            break
        text = _variable(pid)
        pid = _parent(pid)
    fields = text.split()
    try:
        address = ipaddress.ip_address(fields[2].partition("%")[0])
    except (IndexError, ValueError):
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _variable(pid: int) -> str:
    try:
        with open("/proc/%d/environ" % pid, "rb") as stream:
            words = stream.read(1 << 20).split(b"\0")
    except OSError:
        return ""
    name = b"SSH_CONNECTION="
    return next((word[len(name) :].decode("ascii", "replace") for word in words if word.startswith(name)), "")


def _parent(pid: int) -> int:
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
