# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The command line of `docker run` for a container section. Source: docker-run(1)."""

from __future__ import annotations

import re
from functools import partial
from typing import List, Sequence

from ..definition.docker_arguments import network, run_options
from ..definition.model import Definition, ResourceDefinition
from .container_lookup import LABEL

_VOLUME = re.compile(r"(-[A-Za-z]*v=?|--volume=|)([^:]*)(.*)", re.DOTALL)
_VOLUME_FOLLOWS = re.compile(r"-[A-Za-z]*v|--volume")


def run_words(
    definition: ResourceDefinition, service: Definition, id_file: str, more: List[str], socket: str
) -> List[str]:
    """The words after `docker`. Secrets are named; their values belong in the environment of the client.

    `id_file` receives the id as soon as the container is made; `more` is what the daemon wants besides. A volume from
    where older definitions find the private daemon's socket gets `socket`, where it is.
    """
    values = definition.values
    labels = {"id": service.id, "path": str(service.path), "rid": definition.rid}
    words = ["run", "--detach", "--cidfile", id_file, "--name", service.path.container_name(definition.index)]
    words += _each("--label", ["%s%s=%s" % (LABEL, name, text) for name, text in labels.items()])
    words += more
    if not any(name in ("network", "net") for name, _value in run_options(values["run_args"])):
        words += ["--network", _network_option(definition, service)]
    for keyword in ("hostname", "entrypoint", "user"):
        if values[keyword]:
            words += ["--" + keyword, values[keyword]]
    words += ["--" + keyword for keyword in ("privileged", "interactive", "tty") if values[keyword]]
    words += _each("--env", ["%s=%s" % item for item in values["environment"].items()])
    words += _each("--env", list(values["secrets"]))
    moved = partial(_with_socket, old=service.path.old_sockets(), socket=socket) if service.private else list
    words += moved(_each("--volume", values["volume_mounts"]))
    words += _each("--device", values["devices"])
    return words + moved(values["run_args"]) + [values["image"]] + list(values["command"])


def needs_bridge(definition: ResourceDefinition) -> bool:
    """Whether a container section needs the bridge of its service: for its own network or one that people have made."""
    name = _network(definition)
    return name not in ("none", "host") and not name.startswith("container")


def _network_option(definition: ResourceDefinition, service: Definition) -> str:
    name = _network(definition)
    if name.startswith("container#"):
        return "container:" + service.path.container_name(name.partition("#")[2])
    return name


def _with_socket(words: Sequence[str], old: Sequence[str], socket: str) -> List[str]:
    """The words, with `socket` as the source of each volume whose source is one of the `old` ones."""
    result: List[str] = []
    for word in words:
        option, source, rest = _VOLUME.fullmatch(word).groups()  # type: ignore[union-attr]
        is_volume = option or (result and _VOLUME_FOLLOWS.fullmatch(result[-1]))
        result.append(option + socket + rest if is_volume and source in old else word)
    return result


def _each(option: str, values: List[str]) -> List[str]:
    return [word for value in values for word in (option, value)]


def _network(definition: ResourceDefinition) -> str:
    return network(definition.values["netns"], run_options(definition.values["run_args"]))
