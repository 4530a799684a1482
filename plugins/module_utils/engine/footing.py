# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What stands on what: a container on the file systems that carry its data, a file system on its device."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import List, Sequence

from ..drivers.base import STANDBY_UP, UP, WARN, Driver, Status
from ..node.errors import NodeError

STANDING = (UP, STANDBY_UP, WARN)
"""The states in which a resource bears what stands on it: one that is not as it should be is there all the same."""


class Footing:
    """The resources of one service, and which of them provide what the others need."""

    def __init__(self, drivers: Sequence[Driver]):
        self._drivers = list(drivers)

    def of(self, driver: Driver) -> List[Driver]:
        """The resources that a resource stands on, in the order of a start."""
        paths, rids = driver.needs(), driver.leans_on()
        return [
            other
            for other in self._drivers
            if other is not driver
            and (other.rid in rids or any(other in self.providers(path, driver) for path in paths))
        ]

    def upon(self, driver: Driver) -> List[Driver]:
        """The resources that stand on a resource, in the order of a start."""
        return [other for other in self._drivers if other is not driver and driver in self.of(other)]

    def providers(self, path: str, asking: object = None) -> List[Driver]:
        """Who provides a path: the disks that have a device of that name, or else the file system that carries it."""
        others = [driver for driver in self._drivers if driver is not asking]
        disks = [
            driver
            for driver in others
            if driver.definition.group == "disk" and any(fnmatchcase(path, pattern) for pattern in driver.provides())
        ]
        return disks or _deepest([driver for driver in others if driver.definition.group == "fs"], path)

    def check_data_root(self, data_root: str) -> None:
        """Raise NodeError unless a data root lies on the file system that is declared for it, at this very moment.

        A daemon that starts on the bare folder below a mount point loses its images under the mount that comes later.
        """
        reason = self.missing_below(data_root)
        if reason:
            raise NodeError("the docker daemon is not started: %s" % reason)
        for carrier in self.providers(data_root):
            if os.stat(_existing(data_root)).st_dev != os.stat(carrier.provides()[0]).st_dev:
                raise NodeError(
                    "the docker daemon is not started: its data root %s is not on %s (%s), because something else is mounted "
                    "there: see 'findmnt --target %s'" % (data_root, carrier.rid, carrier.label(), data_root)
                )

    def missing_below(self, data_root: str) -> str:
        """Which file system that carries a data root is not there, in words; empty when all is well. Raises Undetermined."""
        for carrier in self.providers(data_root):
            status = carrier.status()
            if not bears(status):
                reason = "; ".join(remark.text for remark in status.remarks)
                return "%s (%s), which carries its data root, is %s%s" % (
                    carrier.rid,
                    carrier.label(),
                    status.state,
                    ": " + reason if reason else "",
                )
        return ""


def bears(status: Status) -> bool:
    """Whether what stands on a resource can use it: a file system below another mount is there, and out of reach."""
    return status.state in STANDING and not status.facts.get("hidden")


def _existing(path: str) -> str:
    """A path, or as much of it as is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _deepest(mounts: List[Driver], path: str) -> List[Driver]:
    """The file system whose mount point is the longest that holds a path: /srv/app1 holds nothing of /srv/app10."""
    points = [
        (len(point), driver)
        for driver in mounts
        for point in driver.provides()
        if (path.rstrip("/") + "/").startswith(point + "/")
    ]
    return [max(points, key=lambda item: item[0])[1]] if points else []
