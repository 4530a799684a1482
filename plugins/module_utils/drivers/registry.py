# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which driver serves which type of resource. A new driver is one line here."""

from __future__ import annotations

from typing import Dict, Tuple, Type

from .base import Driver
from .container import Container

DRIVERS: Dict[Tuple[str, str], Type[Driver]] = {
    ("container", "docker"): Container,
}
