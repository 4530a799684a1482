# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""When something was true: the time by the node's clock, and the boot, which no change of that clock can hide."""

from __future__ import annotations

import time

from . import files


def now() -> str:
    """The time in UTC, as RFC 3339 writes it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def since_boot() -> float:
    """The seconds since the boot, suspends included. No change of the time of day changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """What tells this boot of the node from every other; an empty string when it cannot be read. Source: random(4)."""
    return files.kernel_text("/proc/sys/kernel/random/boot_id")
