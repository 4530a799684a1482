# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The actions on one service.

A start goes ip, disk, fs, container, by number inside a group; a stop goes the other way and down no further than to the
first failure. What a failed start has changed is taken back, what was up before stays up.
"""

from __future__ import annotations

from ..drivers.container import Container
from ..node import files
from .provisioning import Provisioning


class Actions(Provisioning):
    """Every action on one instance."""

    def restart(self) -> None:
        """Stop, then start. What could not be started again is not stopped."""
        needed = [driver for driver in self._chosen if not driver.values["optional"] and not self._exempt(driver)]
        for driver in needed:
            self._attempt(driver.rid, driver.check_restart)
        first = next((driver for driver in needed if isinstance(driver, Container)), None)
        if first:
            self._attempt(first.rid, self.instance.daemon.check_start)
        self.stop()
        if not self._check_mode:
            self._states = self.instance.read()
            self._reached.clear()
        self._journal.remark("", "stopped, ready for restart")
        self.start()

    def freeze(self) -> None:
        """Mark the service: automation is to leave it alone."""
        if not self.instance.frozen:
            path = self.instance.frozen_file
            self.instance.run.do(["touch", path], lambda: files.write_whole(path, ""))
            self.changed = True

    def thaw(self) -> None:
        """Take the mark away."""
        if self.instance.frozen:
            path = self.instance.frozen_file
            self.instance.run.do(["rm", "-f", path], lambda: files.remove_file(path))
            self.changed = True
