# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a daemon that does not run has stored, read from its data root.

Only check mode and the status of a service that is down look here, to tell what a start would do. The layout is
dockerd's own; what is not there, or is not understood, counts as unknown.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from . import files


@dataclass(frozen=True)
class StoredContainer:
    """A container on disk."""

    id: str
    name: str
    labels: Dict[str, str]
    network: str


def containers(data_root: str) -> Optional[List[StoredContainer]]:
    """The containers in a data root, None when that cannot be told."""
    folder = os.path.join(data_root, "containers")
    try:
        ids = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError:
        return None
    found = []
    for container_id in ids:
        config = files.read_json(os.path.join(folder, container_id, "config.v2.json"))
        if isinstance(config, dict):
            labels: Any = (config.get("Config") or {}).get("Labels") or {}
            host = files.read_json(os.path.join(folder, container_id, "hostconfig.json"))
            network = str(host.get("NetworkMode", "")) if isinstance(host, dict) else ""
            found.append(StoredContainer(container_id, str(config.get("Name", "")).lstrip("/"), dict(labels), network))
    return found


def has_image(data_root: str, name: str) -> Optional[bool]:
    """Whether a data root holds an image of this name or id, None when that cannot be told."""
    folder = os.path.join(data_root, "image")
    if not os.path.isdir(folder):
        return False
    wanted = name if ":" in name.rpartition("/")[2] or "@" in name else name + ":latest"
    for driver in os.listdir(folder):
        listed = files.read_json(os.path.join(folder, driver, "repositories.json"))
        if not isinstance(listed, dict):
            continue
        for references in (listed.get("Repositories") or {}).values():
            for reference, image_id in references.items():
                if wanted == reference or (
                    str(image_id).partition(":")[2].startswith(name.rpartition(":")[2]) and len(name) >= 12
                ):
                    return True
    return False
