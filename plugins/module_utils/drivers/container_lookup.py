# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Finding the container of a resource: by the service's labels and the recorded id, never by its name alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..node import docker_store
from ..node.errors import NodeError, Undetermined
from ..node.machine import Machine
from .base import Daemon

LABEL = "dockyard.svc."


@dataclass
class Found:
    """A container as the daemon, or its data root, tells. `inspect` is empty when only the data root was read."""

    id: str
    state: str
    inspect: Dict[str, Any]

    @property
    def runs(self) -> bool:
        """Whether the container is operational: running, and neither paused nor in a circle of restarts."""
        state = self.inspect.get("State", {})
        return self.state == "running" and not any(state.get(word) for word in ("Restarting", "Paused", "Dead"))

    @property
    def health(self) -> str:
        """The word of the health check; empty without one."""
        return str((self.inspect.get("State", {}).get("Health") or {}).get("Status", ""))

    @property
    def pid(self) -> int:
        """Its first process, 0 when it does not run."""
        return int(self.inspect.get("State", {}).get("Pid") or 0)

    @property
    def name(self) -> str:
        """Its name, which somebody may have changed."""
        return str(self.inspect.get("Name", "")).lstrip("/")

    @property
    def network(self) -> str:
        """The network that it was made with."""
        return str(self.inspect.get("HostConfig", {}).get("NetworkMode", ""))

    @property
    def restart_policy(self) -> str:
        """The name of the restart policy; empty without one."""
        name = (self.inspect.get("HostConfig", {}).get("RestartPolicy") or {}).get("Name", "")
        return "" if name == "no" else str(name)

    @property
    def restarts(self) -> int:
        """How often docker has restarted it by a policy that it still has."""
        return int(self.inspect.get("RestartCount") or 0) if self.restart_policy else 0


class Lookup:
    """Finds the container `name` of resource `rid` in a daemon.

    `offline` tells when the daemon must not be asked, because check mode has only imagined to start it: then its data
    root is read.
    """

    def __init__(
        self,
        machine: Machine,
        daemon: Daemon,
        data_root: str,
        identity: Tuple[str, str, str],
        offline: Callable[[], bool],
    ):
        self._machine = machine
        self._daemon = daemon
        self._data_root = data_root
        self._service_id, self._rid, self._name = identity
        self._offline = offline

    def recorded(self) -> Optional[str]:
        """The id that was written down when the container was made."""
        value = self._machine.record.get("containers", self._rid)
        return value if isinstance(value, str) else None

    def known_id(self) -> Optional[str]:
        """The id of the container by the record or the data root, None when there is no container.

        For when the daemon is dead. Raises Undetermined when neither can tell.
        """
        recorded = self.recorded()
        stored = docker_store.containers(self._data_root) if self._data_root else None
        if recorded is None and stored is None:
            raise Undetermined("the docker daemon is dead and the container's id is not known")
        return recorded or next((item.id for item in stored or [] if self.is_ours(item.labels)), None)

    def find(self) -> Optional[Found]:
        """The service's own container, None when there is none.

        Raises Undetermined when the daemon does not answer, NodeError when several carry the labels.
        """
        if self._offline():
            if self._is_unseen():
                recorded = self.recorded()
                return Found(recorded, "exited", {}) if recorded else None
            return next((Found(item.id, "exited", {}) for item in self._stored() if self.is_ours(item.labels)), None)
        api, recorded = self._daemon.api(), self.recorded()
        inspect = api.container(recorded) if recorded else None
        if inspect and self.is_ours(inspect["Config"].get("Labels") or {}):
            return Found(inspect["Id"], str(inspect["State"].get("Status")), inspect)
        ours = [item["Id"] for item in api.containers() if self.is_ours(item.get("Labels") or {})]
        if len(ours) > 1:
            names = ", ".join(container_id[:12] for container_id in ours)
            raise NodeError(
                "containers %s all carry the labels of %s: remove those that are not it" % (names, self._rid)
            )
        inspect = api.container(ours[0]) if ours else None
        return Found(ours[0], str(inspect["State"].get("Status")), inspect) if inspect else None

    def stored(self) -> Optional[Found]:
        """The service's own container by the data root of a daemon that does not run: its name and its network."""
        ours = next((item for item in self._stored() if self.is_ours(item.labels)), None)
        inspect = {"Name": ours.name, "HostConfig": {"NetworkMode": ours.network}} if ours else {}
        return Found(ours.id, "exited", inspect) if ours else None

    def stranger(self) -> Optional[str]:
        """The id of a container that has our name and not our labels."""
        if self._offline():
            others = [(item.id, [item.name], item.labels) for item in self._stored()]
        else:
            others = [
                (item["Id"], [name.lstrip("/") for name in item.get("Names") or []], item.get("Labels") or {})
                for item in self._daemon.api().containers()
            ]
        return next((str(i) for i, names, labels in others if self._name in names and not self.is_ours(labels)), None)

    def has_image(self, image: str) -> bool:
        """Whether the daemon has an image."""
        if image in self._daemon.imagined_images:
            return True
        if self._offline():
            return not self._is_unseen() and bool(docker_store.has_image(self._data_root, image))
        return self._daemon.api().image(image) is not None

    def is_ours(self, labels: Dict[str, str]) -> bool:
        """Whether labels are those of the resource."""
        return labels.get(LABEL + "id") == self._service_id and labels.get(LABEL + "rid") == self._rid

    def _is_unseen(self) -> bool:
        """Whether the data root lies on a file system that check mode has only imagined to mount."""
        return self._machine.outlook.expects_below(self._data_root)

    def _stored(self) -> List[docker_store.StoredContainer]:
        return (docker_store.containers(self._data_root) if self._data_root else None) or []
