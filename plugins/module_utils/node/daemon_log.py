# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The log of a daemon: opened for it to write to, and read for its last words when it does not come up."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from . import files
from .errors import NodeError

_KEPT = 1 << 20
_PROGRESS = re.compile(r"level=(info|debug|warning)")


class DaemonLog:
    """A log file that only root can read. One old file is kept when it has grown."""

    def __init__(self, path: str):
        self.path = path
        self._begin = 0

    def open(self) -> int:
        """A descriptor for appending; what is written from now on is this run's. The caller closes it.

        Raises NodeError: a daemon that cannot say why it ends is not started.
        """
        try:
            if os.path.exists(self.path) and os.path.getsize(self.path) > _KEPT:
                os.replace(self.path, self.path + ".1")
            descriptor = files.open_log(self.path)
        except OSError as error:
            raise NodeError(
                "the log of the docker daemon cannot be opened: %s: %s" % (self.path, error.strerror)
            ) from error
        self._begin = os.fstat(descriptor).st_size
        return descriptor

    def mark(self) -> None:
        """Leave out what the log says so far."""
        with suppress(OSError):
            self._begin = os.path.getsize(self.path)

    def says(self, text: str) -> bool:
        """Whether the log says something since it was opened or marked."""
        return text in files.read_end(self.path, self._begin)

    def last_words(self, count: int = 4) -> str:
        """The last lines of this run that tell more than progress, as one line."""
        lines = [line.strip() for line in files.read_end(self.path, self._begin).splitlines() if line.strip()]
        telling = [line for line in lines if not _PROGRESS.search(line)] or lines
        return " | ".join(telling[-count:])
