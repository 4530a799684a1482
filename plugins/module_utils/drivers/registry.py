# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which driver serves which type of resource. A new driver is one line here."""

from __future__ import annotations

from typing import Dict, Tuple, Type

from ..definition.mount_options import BLOCK_TYPES, NFS_TYPES
from .base import Driver
from .container import Container
from .disk_loop import LoopDevice
from .disk_lv import LogicalVolumeDriver
from .disk_vg import VolumeGroup
from .ip_host import IpHost
from .mount import Mount

DRIVERS: Dict[Tuple[str, str], Type[Driver]] = {
    ("container", "docker"): Container,
    ("ip", "host"): IpHost,
    ("disk", "loop"): LoopDevice,
    ("disk", "lv"): LogicalVolumeDriver,
    ("disk", "vg"): VolumeGroup,
    **{("fs", name): Mount for name in (*BLOCK_TYPES, *NFS_TYPES, "tmpfs", "bind")},
}
