# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Getting an image into a daemon: from an archive on the node, or from its registry."""

from __future__ import annotations

import os
import tarfile
from typing import Any, Dict, List

from ..node.docker_api import DockerApi
from ..node.errors import CommandFailed, NodeError
from ..node.machine import Machine

_MANIFESTS = {"manifest.json", "index.json", "oci-layout", "repositories"}
_ROOT_FOLDERS = set("bin boot dev etc home lib lib64 opt proc root run sbin srv sys tmp usr var".split())


class Image:
    """The image of one container section. `docker` is the client's command line up to the subcommand."""

    def __init__(self, values: Dict[str, Any], docker: List[str], machine: Machine, rid: str):
        self.name: str = values["image"]
        self._archive: str = values["image_archive"] or ""
        self._policy: str = values["image_pull_policy"]
        self._timeout: float = values["pull_timeout"]
        self._docker = docker
        self._machine = machine
        self._rid = rid

    def check(self) -> None:
        """Refuse an archive that is not there or not an archive. Raises NodeError."""
        if self._archive and not self._machine.outlook.expects_below(self._archive):
            self._is_saved()

    def ensure(self, present: bool) -> bool:
        """Make sure that the daemon has the image; whether it was fetched. `present` tells whether it has it now.

        Raises NodeError.
        """
        if self._archive:
            if not present:
                self._load()
            return not present
        if present and self._policy != "always":
            return False
        if self._policy == "never":
            raise NodeError("the image %s is not there, and image_pull_policy is never" % self.name)
        self._pull()
        return True

    def verify(self, api: DockerApi) -> None:
        """Raise NodeError when the image is not there after all, because an archive holds another one."""
        if not api.image(self.name):
            raise NodeError("image_archive %s was loaded, but it holds no image %s" % (self._archive, self.name))

    def _load(self) -> None:
        verb = ["load", "--input", self._archive] if self._is_saved() else ["import", self._archive, self.name]
        try:
            self._machine.run.change(self._docker + verb, self._timeout, self._rid)
        except CommandFailed as error:
            raise NodeError("image_archive %s cannot be loaded: %s" % (self._archive, error)) from error

    def _pull(self) -> None:
        environment = {"DOCKER_CONFIG": self._machine.docker_config}
        try:
            self._machine.run.change(self._docker + ["pull", self.name], self._timeout, self._rid, environment)
        except CommandFailed as error:
            raise NodeError(
                "the image %s cannot be pulled: %s; pull or load it with the playbook dockyard.svc.docker, or name an "
                "image_archive" % (self.name, error)
            ) from error

    def _is_saved(self) -> bool:
        """Whether the archive was made by `docker save`. The plain tar of a root file system is not."""
        if not os.path.isfile(self._archive):
            raise NodeError("image_archive %s is not there" % self._archive)
        try:
            with tarfile.open(self._archive) as archive:
                for member in archive:
                    top, _slash, rest = member.name.lstrip("./").partition("/")
                    if top in _MANIFESTS and not rest:
                        return True
                    if top in _ROOT_FOLDERS:
                        return False
        except (tarfile.TarError, OSError, EOFError) as error:
            raise NodeError("image_archive %s is no tar archive: %s" % (self._archive, error)) from error
        return False
