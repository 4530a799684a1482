# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What a Docker daemon says, asked through the Docker SDK for Python with a deadline on every call.

The SDK is imported when a daemon is there to be asked, and not before: to look at services that are down costs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, TypeVar

from .errors import NodeError, Unanswered, Undetermined

Answer = TypeVar("Answer")
_LEAST_PATIENCE = 5  # seconds
_import = threading.Lock()
_NO_SDK = (
    "the Docker SDK for Python cannot be imported by the node's Python (%s): install the package python3-docker, or "
    "'docker' from PyPI for the interpreter that ansible_python_interpreter names"
)


def require_sdk() -> None:
    """Raise NodeError unless the Docker SDK for Python is installed. It is not imported yet, which takes a while."""
    try:
        found = importlib.util.find_spec("docker") is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise NodeError(_NO_SDK % "it is not installed")


def import_sdk() -> ModuleType:
    """The Docker SDK for Python. Raises NodeError when it cannot be imported."""
    with _import:
        hack: Any = sys.modules.get("_distutils_hack")
        if hack and sys.version_info < (3, 12):
            # Older SDKs import distutils. setuptools would put its own in the place, which costs more than all the rest.
            hack.remove_shim()
        try:
            return importlib.import_module("docker")
        except Exception as error:
            raise NodeError(_NO_SDK % error) from error


class DockerApi:
    """One daemon, by its socket. Every method raises Unanswered when the daemon does not answer within `patience` seconds.

    Who has been waited for in vain is not waited for that long again.
    """

    def __init__(self, socket: str, patience: float = _LEAST_PATIENCE):
        try:
            docker: Any = import_sdk()
        except NodeError as error:
            raise Undetermined(str(error)) from error
        self._socket = socket
        self._errors = docker.errors
        self._client: Any = None
        self._client = self._ask(
            lambda: docker.APIClient(base_url="unix://" + socket, version="auto", timeout=round(patience))
        )

    def info(self) -> Dict[str, Any]:
        """What `docker info` shows."""
        return self._ask(self._client.info)

    def ping(self) -> None:
        """Have the daemon answer."""
        self._ask(self._client.ping)

    def containers(self) -> List[Dict[str, Any]]:
        """Every container of the daemon, running or not: Id, Names, Labels, State."""
        return self._ask(lambda: self._client.containers(all=True))

    def container(self, container_id: str) -> Optional[Dict[str, Any]]:
        """What `docker inspect` shows of a container, None when there is none of that id."""
        return self._ask_for(lambda: self._client.inspect_container(container_id))

    def image(self, name: str) -> Optional[Dict[str, Any]]:
        """What `docker image inspect` shows, None when the daemon has no such image."""
        return self._ask_for(lambda: self._client.inspect_image(name))

    def logs(self, container_id: str, lines: int = 10) -> str:
        """The last lines that a container wrote."""
        answer = self._ask_for(lambda: self._client.logs(container_id, tail=lines, stream=False))
        return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else ""

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _ask_for(self, question: Callable[[], Answer]) -> Optional[Answer]:
        try:
            return self._ask(question)
        except _NotThere:
            return None

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except self._errors.NotFound as error:
            raise _NotThere(str(error)) from error
        except Exception as error:  # the SDK lets errors of requests, urllib3 and the socket through
            if self._client:
                self._client.timeout = _LEAST_PATIENCE
            raise Unanswered("the docker daemon on %s does not answer: %s" % (self._socket, _reason(error))) from error


class _NotThere(NodeError):
    """The daemon answered that it does not know the object."""


def _reason(error: BaseException) -> str:
    text = str(error)
    if "timed out" in text.lower():
        return "no answer in time"
    return text[:300]
