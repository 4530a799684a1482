# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The contract of a driver.

A driver knows one type of resource. `status` reads and never changes anything. `start` and `stop` are idempotent from any
half-way state and say whether they changed something; both verify before they return. What could not be told is raised as
Undetermined, and is never taken for down.

In check mode nothing changes, so what a command would have done is imagined: a driver sets `imagined` to the state that it
would have reached, and `machine.outlook` holds what the resources before it would have made appear.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from ..definition.model import Definition, ResourceDefinition
from ..node.cgroups import ControlGroup
from ..node.docker_api import DockerApi
from ..node.errors import CommandFailed, NodeError, printable
from ..node.machine import Machine
from ..node.record import CLAIMS

UP = "up"
DOWN = "down"
WARN = "warn"
UNDEF = "undef"
NOT_APPLICABLE = "n/a"
STANDBY_UP = "stdby up"
STANDBY_DOWN = "stdby down"


@dataclass(frozen=True)
class Remark:
    """A line below a resource in the status. Level `warn` and `error` taint the overall status, `info` does not."""

    level: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))


@dataclass
class Status:
    """What a resource is now: its state, its label, the remarks on it, and facts for the data form of the status."""

    state: str
    label: str = ""
    remarks: List[Remark] = field(default_factory=list)
    facts: Dict[str, Any] = field(default_factory=dict)


class Driver(ABC):
    """One resource of one service on this node. `daemon` is the Docker daemon that the service's containers run in."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        self.definition = definition
        self.service = service
        self.machine = machine
        self.daemon = daemon
        self.rid = definition.rid
        self.values = definition.values
        self.imagined: Optional[str] = None
        """The state that check mode has brought the resource to."""
        self.way_back: List[Callable[[], object]] = []
        """How to take back each change that `start` has made in this run, oldest first; False means: it was not made."""

    @abstractmethod
    def label(self) -> str:
        """What the resource is, in a few words, without a look at the machine."""

    @abstractmethod
    def status(self) -> Status:
        """What the resource is now. Raises Undetermined when that cannot be told."""

    def provides(self) -> Tuple[str, ...]:
        """What is on the node when the resource is up: paths of devices and mount points, patterns of them allowed."""
        return ()

    def needs(self) -> Tuple[str, ...]:
        """The paths on the node that the resource uses. The file systems of the service that carry them must be up."""
        return ()

    def leans_on(self) -> Tuple[str, ...]:
        """The rids of the resources of the service that this one cannot be up without, besides those of its paths."""
        return ()

    def check_start(self) -> None:
        """Refuse a start that cannot work, before anything of the service is changed. Raises NodeError.

        What earlier resources of the same start will provide is in `machine.outlook`, and not to be missed.
        """
        return

    def check_restart(self) -> None:
        """Refuse a restart that cannot work, while the resource may still be up. Raises NodeError."""
        return

    @abstractmethod
    def start(self) -> bool:
        """Bring the resource up; whether anything was changed. Raises NodeError."""

    def settle(self) -> None:
        """Wait for what `start` has left to finish in the background. Raises NodeError."""
        return

    @abstractmethod
    def stop(self) -> bool:
        """Bring the resource down and prove it; whether anything was changed. Raises NodeError."""

    def undo_start(self) -> bool:
        """Take back what `start` changed in this run, newest first; whether there was anything.

        What cannot be taken back is tried again by a second call, before what is older.
        """
        changed = False
        while self.way_back:
            changed = self.way_back[-1]() is not False or changed
            self.way_back.pop()
        return changed

    def change(
        self, argv: Sequence[str], deadline: float, way_back: Callable[[], object], done_anyway: Sequence[int] = ()
    ) -> None:
        """Run a command of a start, and know how to take it back.

        One that was late or killed may have done its work all the same, and so may one that ended with a code of
        `done_anyway`: then `way_back` has to look. After any other failure what is there is somebody else's.
        """
        try:
            self.machine.run.change(argv, deadline, self.rid)
        except CommandFailed as error:
            if error.rc is None or error.rc < 0 or error.rc in done_anyway:
                self.way_back.append(way_back)
            raise
        self.way_back.append(way_back)

    def claim(self, what: str) -> None:
        """Remember that the service has something from now on, unless it is known; a failed start takes that back."""
        record = self.machine.record
        known = record.claimed(self.rid) == what and self.rid in record.claimed_since_boot()
        if not known or self.machine.owner_of(self.rid, what):
            self.keep_claim()
            record.claim(self.rid, what)

    def keep_claim(self) -> None:
        """Let a failed start put back what is remembered of the resource now."""
        record = self.machine.record
        before = record.get(CLAIMS, self.rid)

        def put_back() -> bool:
            record.put(CLAIMS, self.rid, before)
            return False

        self.way_back.append(put_back)

    def disclaim(self, *whats: str) -> None:
        """Forget that the service has something, also when the resource had another number then."""
        record = self.machine.record
        for rid in record.keys(CLAIMS):
            if rid == self.rid or record.claimed(rid) in whats:
                record.put(CLAIMS, rid, None)

    def refuse_of_others(self, what: str, text: str) -> None:
        """Raise NodeError, `text` followed by whose it is, when another service of this node has started something."""
        owner = self.machine.owner_of(self.rid, what)
        if owner:
            raise NodeError("%s by %s" % (text, owner))

    def evidence(self) -> Dict[str, str]:
        """What proves that the resource is released, by kind of evidence. Only asked after a stop."""
        return {}

    def exists(self) -> bool:
        """Whether there is anything that could be started: false before provision and after unprovision."""
        return True

    def provision(self) -> bool:
        """Make what must exist before the first start; whether anything was changed.

        The resources before it are up. Raises NodeError rather than touch what holds unknown content.
        """
        return False

    def unprovision(self) -> bool:
        """Destroy what `provision` has made, and nothing that it cannot prove to be that; whether anything was changed.

        The resource is down, those that it stands on are up. Raises NodeError.
        """
        return False


class Daemon(ABC):
    """A Docker daemon as the containers of a service need it."""

    socket: str
    private: bool

    def __init__(self) -> None:
        self.imagined_images: Set[str] = set()
        """The images that check mode has imagined to fetch."""

    @abstractmethod
    def look(self, max_age: float = 0.0) -> DaemonLook:
        """What is true of the daemon now. Never raises: what could not be told is in the answer."""

    @abstractmethod
    def api(self) -> DockerApi:
        """A connection to the daemon. Raises Undetermined when it does not answer."""

    @abstractmethod
    def container_group(self, container_id: str) -> ControlGroup:
        """The control group of a container, whether or not the daemon lives."""

    def container_pids(self, container_id: str) -> List[int]:
        """The processes of a container by its control group. Raises Undetermined."""
        return sorted(self.container_group(container_id).pids())

    @abstractmethod
    def run_options(self) -> List[str]:
        """Options that `docker run` needs so that the container's processes are in the service's control group."""


@dataclass(frozen=True)
class DaemonLook:
    """The state of a Docker daemon.

    `state` is `up`, `down`, `undef` (hung, or its socket is held by a stranger), or `warn`: the daemon is dead while
    processes of its containers live on. `pid` is set when its process is known.
    """

    state: str
    reason: str = ""
    pid: Optional[int] = None
    survivors: Tuple[int, ...] = ()
