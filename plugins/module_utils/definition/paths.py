# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Service paths: the one grammar of names, and everything that is named after a service."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Tuple

from .errors import kind_of, quoted

NAME_MAX = 40
PATH_MAX = 64
NAME = re.compile(r"[a-z][a-z0-9]{0,31}(?:[-_.][a-z0-9]+)*")
GRAMMAR = (
    "lower case letters and digits in groups joined by one '-', '_' or '.', a letter first, at most %d characters"
    % NAME_MAX
)

# What lies beside the folders and files that are named after services.
_RUN_FOLDER = "the folder of this name below the run folder is for all services"
_STATE_FILE = "the file of this name below the state folder is for all services"
_TAKEN = {
    "x": _RUN_FOLDER,
    "private": _RUN_FOLDER,
    "lock": _RUN_FOLDER,
    "subnets.json": _STATE_FILE,
    "subnets.json.lock": _STATE_FILE,
}
_LOG_OF_DAEMON = "a log that ends in .dockerd.log is the one of a Docker daemon"

# A service has the same id on every node that may run it, so the id comes from its path and not from a node's record.
_ID_SPACE = uuid.UUID("6f5be8c4-52a0-5d5c-9d0e-0c5d0f3a7f10")


@dataclass(frozen=True, order=True)
class ServicePath:
    """The name of a service: `namespace/name`, or `name` alone in the root namespace (empty `namespace`)."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: object) -> ServicePath:
        """Read a path. Raises ValueError, with the grammar, for anything that is not one."""
        if not isinstance(text, str):
            raise ValueError("%s is not a service path: it must be a text, not %s" % (quoted(text), kind_of(text)))
        if len(text) > PATH_MAX:
            raise ValueError("%s is not a service path: at most %d characters are allowed" % (quoted(text), PATH_MAX))
        namespace, slash, name = text.rpartition("/")
        for part in (namespace, name) if slash else (name,):
            if len(part) > NAME_MAX or not NAME.fullmatch(part):
                raise ValueError("%s is not a service path: [namespace/]name, each of %s" % (quoted(text), GRAMMAR))
        path = cls(namespace, name)
        taken = _TAKEN.get(path.slug, _LOG_OF_DAEMON if name.endswith(".dockerd") else "")
        if taken:
            raise ValueError("%s is not a service path: %s; take another name" % (quoted(text), taken))
        return path

    def __str__(self) -> str:
        return "%s/%s" % (self.namespace, self.name) if self.namespace else self.name

    @property
    def slug(self) -> str:
        """The path as one word without a slash; no two paths share one, because no name holds two dots in a row."""
        return "%s..%s" % (self.namespace, self.name) if self.namespace else self.name

    def container_name(self, index: str) -> str:
        """The name of the container of section `container#<index>`."""
        return "%s.container.%s" % (self.slug, index)

    def old_sockets(self) -> Tuple[str, ...]:
        """Where older definitions find the socket of the service's Docker daemon."""
        new_style = "namespaces/%s/svc/%s" % (self.namespace, self.name) if self.namespace else "svc/" + self.name
        return (
            "/opt/opensvc/var/%s/docker.sock" % self.name,
            "/var/lib/opensvc/%s/docker.sock" % new_style,
        )

    def default_id(self) -> str:
        """The id of a service whose definition gives none."""
        return str(uuid.uuid5(_ID_SPACE, str(self)))


def short_id(service_id: str) -> str:
    """Ten hexadecimal digits for what must stay short: interface names (15 characters) and socket paths (107)."""
    return hashlib.sha256(service_id.encode()).hexdigest()[:10]
