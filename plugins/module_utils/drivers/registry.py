# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which driver serves which type of resource. A new driver is one function and one line of the table here.

A driver is imported when a definition has a resource of its type: what Ansible sends to a node holds no bytecode, so that
each call compiles what it imports.
"""

from __future__ import annotations

from typing import Callable, Dict, Tuple, Type

from ..definition.mount_options import BLOCK_TYPES, NFS_TYPES
from .base import Driver


def driver_for(group: str, kind: str) -> Type[Driver]:
    """The driver of a type of resource. Every type that a definition may have has one."""
    return _DRIVERS[(group, kind)]()


def _container() -> Type[Driver]:
    from .container import Container

    return Container


def _ip_host() -> Type[Driver]:
    from .ip_host import IpHost

    return IpHost


def _loop() -> Type[Driver]:
    from .disk_loop import LoopDevice

    return LoopDevice


def _lv() -> Type[Driver]:
    from .disk_lv import LogicalVolumeDriver

    return LogicalVolumeDriver


def _vg() -> Type[Driver]:
    from .disk_vg import VolumeGroup

    return VolumeGroup


def _mount() -> Type[Driver]:
    from .mount import Mount

    return Mount


_DRIVERS: Dict[Tuple[str, str], Callable[[], Type[Driver]]] = {
    ("container", "docker"): _container,
    ("ip", "host"): _ip_host,
    ("disk", "loop"): _loop,
    ("disk", "lv"): _lv,
    ("disk", "vg"): _vg,
    **{("fs", name): _mount for name in (*BLOCK_TYPES, *NFS_TYPES, "tmpfs", "bind")},
}
