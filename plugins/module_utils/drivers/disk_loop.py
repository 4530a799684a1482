# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""A loop device of a service: a file that is used as a disk.

The device is known by its file, and the file by its device and inode. The attachment is recorded, so that the device is
still known when its file was replaced or removed meanwhile.
"""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Tuple

from ..definition.model import Definition, ResourceDefinition
from ..node import block, files, filesystems, holders, loops, processes
from ..node.errors import NodeError
from ..node.loops import Identity, Loop
from ..node.machine import Machine
from .base import DOWN, UP, WARN, Daemon, Driver, Remark, Status

_DEADLINE = 30.0
_RELEASE = 3.0
"""How long, in seconds, somebody who has the device open for a moment (udev, a reader of labels) may take to close it."""


class LoopDevice(Driver):
    """The resource `disk#N` of type loop."""

    def __init__(self, definition: ResourceDefinition, service: Definition, machine: Machine, daemon: Daemon):
        super().__init__(definition, service, machine, daemon)
        self.file: str = self.values["file"]
        self._run = machine.run
        self._made = False  # in check mode: provision would have made the file

    def label(self) -> str:
        return "loop %s" % self.file

    def provides(self) -> Tuple[str, ...]:
        return (self.file,)

    def needs(self) -> Tuple[str, ...]:
        return (self.file,)

    # Reading

    def status(self) -> Status:
        here, left = self._loops()
        status = Status(DOWN, self.label())
        if here:
            self._read_attached(status, here)
        if left:
            status.state = WARN
            status.remarks.append(Remark("error", "%s: stop the service, then start it" % _former(left[0])))
        elif not here:
            there = os.path.lexists(self.file)
            text = "%s has no loop device" % self.file if there else "there is no file %s" % self.file
            status.remarks.append(Remark("info", text))
        return status

    def _read_attached(self, status: Status, here: List[Loop]) -> None:
        status.state = UP
        status.label = "%s %s" % (self.label(), here[0].device)
        status.facts = {"device": here[0].device}
        problem = self._problem(here)
        if problem:
            status.state = WARN
            status.remarks.append(Remark("error", problem))
        elif here[0].vanishes:
            text = "%s goes away as soon as nobody uses it, as after 'losetup --detach' while it was in use"
            text %= here[0].device
            status.remarks.append(Remark("warn", text))

    def _loops(self) -> Tuple[List[Loop], List[Loop]]:
        """The loop devices of the file, and the one that was attached here when it has another file by now."""
        present = loops.identity_of(self.file)
        recorded, attachment = self._recorded()
        table = loops.table()
        here = [loop for loop in table if loop.identity == present]
        left = [
            loop
            for loop in table
            if loop not in here and loop.identity == recorded and loops.attachment(loop.device) == attachment != ""
        ]
        return here, left

    def _recorded(self) -> Tuple[Optional[Identity], str]:
        """The file that was attached here last, and what tells that attachment from a later one of a file with its inode."""
        value = self.machine.record.get("loops", self.rid)
        return _read_identity(value), str(value.get("attachment", "")) if isinstance(value, dict) else ""

    def _refuse_of_others(self, here: List[Loop]) -> None:
        """Raise NodeError when another service has attached the file."""
        for loop in here:
            self.refuse_of_others(_claim_on(loop), "%s was attached to %s" % (self.file, loop.device))

    def _problem(self, here: List[Loop]) -> str:
        """Why the loop devices of the file are not what a start makes, or an empty string."""
        if not here:
            return ""
        names = ", ".join(loop.device for loop in here)
        if len(here) > 1:
            return "%s has several loop devices (%s): writes through one are not seen through the other" % (
                self.file,
                names,
            )
        if not here[0].whole:
            return "%s shows a part of %s only" % (names, self.file)
        if here[0].read_only:
            return "%s is read only" % names
        left, size = os.stat(self.file).st_size, loops.size(here[0].device)
        if left < size:  # one that has grown is on its way: 'losetup --set-capacity' comes after that
            return "%s was cut to %d of %d bytes while %s has it" % (self.file, left, size, names)
        return ""

    # Starting

    def check_start(self) -> None:
        filesystems.require("losetup")
        if not self._comes_later():
            here, left = self._loops()
            self._refuse_of_others(here)
            self._refuse(here, left)

    def _refuse(self, here: List[Loop], left: List[Loop]) -> None:
        """Raise NodeError unless the file can be attached, or is attached as a start would have done it."""
        files.check_root_owned(os.path.dirname(self.file))
        if not os.path.lexists(self.file):
            raise NodeError("there is no file %s: make it, or provision the service" % self.file)
        loops.check_file(self.file)
        if os.stat(self.file).st_size == 0:
            raise NodeError("%s is empty: remove it, then provision the service" % self.file)
        if left:
            raise NodeError("%s: stop the service first" % _former(left[0]))
        problem = self._problem(here)
        if problem:
            raise NodeError("%s: see who uses it, then detach it with 'losetup --detach DEVICE'" % problem)

    def _comes_later(self) -> bool:
        """Whether this run has yet to make the file, or to mount the file system that it lies on."""
        if self._made or os.path.lexists(self.file):
            return self._made
        return self.machine.outlook.expects_below(os.path.dirname(self.file))

    def start(self) -> bool:
        if self.imagined == UP:
            return False
        if self.imagined is None and not (self._run.check_mode and self._comes_later()):
            here, left = self._loops()
            self._refuse_of_others(here)
            if here and not left and not self._problem(here):
                self._remember(here[0])
                return False
            self._refuse(here, left)
        argv = ["losetup", "--find", "--show", "--nooverlap", self.file]
        if self._run.check_mode:
            self._run.change(argv, _DEADLINE, self.rid)
            self._imagine_attached()
            return True
        with self.machine.locked("loops"):  # two that attach a file at once would both be given the same device
            self._refuse_of_others(self._loops()[0])
            self.way_back.append(self.stop)
            self._run.change(argv, _DEADLINE, self.rid)
            self._verify_attached()
        return True

    def _verify_attached(self) -> None:
        here, _left = self._loops()
        problem = self._problem(here) if here else "losetup has ended well, but %s has no loop device" % self.file
        if problem:
            raise NodeError(problem)
        self._remember(here[0])

    def _remember(self, loop: Loop) -> None:
        if not self._run.check_mode:
            value = {**_write_identity(loop.identity), "attachment": loops.attachment(loop.device)}
            self.machine.record.put("loops", self.rid, value)
            self.claim(_claim_on(loop))

    def _imagine_attached(self) -> None:
        outlook, others = self.machine.outlook, self.service.resources
        taken = [outlook.device(other.values["file"]) for other in others if other.type == "loop"]
        outlook.imagine_device(self.file, loops.next_free(taken, outlook.released))
        self.imagined = UP

    # Stopping

    def stop(self) -> bool:
        """Detach the loop device of the file, and that of the recorded file when it is another one by now."""
        if self.imagined is not None:
            return self._imagine_detached()
        here, left = self._loops()
        self._refuse_of_others(here)
        claims = [_claim_on(loop) for loop in here + left]
        for loop in here + left:
            self._detach(loop)
        if self._run.check_mode:
            self.machine.outlook.released.update(loop.device for loop in here)
            self.imagined = DOWN
        else:
            self.machine.record.put("loops", self.rid, None)
            self.disclaim(*claims)
        return bool(here or left)

    def _imagine_detached(self) -> bool:
        """In check mode, a stop after something was imagined already."""
        if self.imagined == DOWN:
            return False
        self._run.change(["losetup", "--detach", self.machine.outlook.device(self.file)], _DEADLINE, self.rid)
        self.imagined = DOWN
        return True

    def _detach(self, loop: Loop) -> None:
        """Detach a device that nobody uses. losetup is content when somebody does, and leaves the device in use."""
        vanishes = loop.vanishes  # to be asked before it is free: then it is gone
        if not self._run.check_mode and not block.wait_until_free(loop.device, _RELEASE):
            raise NodeError("%s is in use: %s" % (loop.device, self._users(loop)))
        if not vanishes:
            self._run.change(["losetup", "--detach", loop.device], _DEADLINE, self.rid)
        if not self._run.check_mode and not processes.wait_until(lambda: self._is_gone(loop), _RELEASE, 0.1):
            raise NodeError(
                "%s was detached, but stays until its last user closes it: %s" % (loop.device, self._users(loop))
            )

    def _is_gone(self, loop: Loop) -> bool:
        return all(other.device != loop.device for other in loops.of_identity(loop.identity))

    def _users(self, loop: Loop) -> str:
        found = holders.of_device(*block.number(loop.device))
        return "; ".join(found) or "nobody can be named, the kernel itself may hold it"

    def evidence(self) -> Dict[str, str]:
        here, left = self._loops()
        if here or left:
            raise NodeError("%s still has the loop device %s" % (self.file, (here + left)[0].device))
        return {"loop": "no loop device has %s" % self.file}

    # Provisioning

    def exists(self) -> bool:
        """An empty file is what an interrupted provision has left: nothing can be on it."""
        return os.path.lexists(self.file) and os.lstat(self.file).st_size > 0

    def provision(self) -> bool:
        size = self.values["size"]
        ours = _read_identity(self.machine.record.get("provisioned", self.rid))
        present = loops.identity_of(self.file)
        begun = present is not None and present == ours and os.stat(self.file).st_size == 0
        if present and not begun:
            loops.check_file(self.file)
            has = os.stat(self.file).st_size
            if size is not None and has != size:
                raise NodeError(
                    "%s is there already with %d bytes, and not with %d: remove it, or correct the size"
                    % (self.file, has, size)
                )
            return False
        if size is None:
            raise NodeError("the keyword size is needed to make %s" % self.file)
        if not self._comes_later():
            files.check_root_owned(os.path.dirname(self.file))
            self._check_folder()
        if not begun:
            self._run.do(["install", "--mode=0600", "/dev/null", self.file], self._create, self.rid)
        self._run.do(["truncate", "--size=%d" % size, self.file], lambda: os.truncate(self.file, size), self.rid)
        self._made = self._run.check_mode
        return True

    def _check_folder(self) -> None:
        if not os.path.isdir(os.path.dirname(self.file)):
            raise NodeError("there is no folder %s: make it first" % os.path.dirname(self.file))

    def _create(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.file, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            facts = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        identity = Identity((os.major(facts.st_dev), os.minor(facts.st_dev)), facts.st_ino)
        try:
            self.machine.record.put("provisioned", self.rid, _write_identity(identity))
        except NodeError:
            os.unlink(self.file)
            raise

    def unprovision(self) -> bool:
        ours = _read_identity(self.machine.record.get("provisioned", self.rid))
        present = loops.identity_of(self.file)
        if present is None:
            self.machine.record.put("provisioned", self.rid, None)
            return False
        if present != ours:
            raise NodeError("%s was not made by provisioning this service: remove it by hand" % self.file)
        held = loops.of_identity(present) if self.imagined != DOWN else []
        if held:
            raise NodeError("%s still has the loop device %s" % (self.file, held[0].device))
        self._run.do(["rm", self.file], lambda: os.unlink(self.file), self.rid)
        self.machine.record.put("provisioned", self.rid, None)
        return True


def _write_identity(identity: Identity) -> Dict[str, object]:
    return {"device": "%d:%d" % identity.device, "inode": identity.inode}


def _former(loop: Loop) -> str:
    text = "%s holds the file of this disk from before it was replaced or removed, or changed in the definition: %s"
    return text % (loop.device, loop.file)


def _claim_on(loop: Loop) -> str:
    """What a service has that has attached a file: this attachment, and no later one of the same file."""
    return "%s, attachment %s" % (loop.device, loops.attachment(loop.device))


def _read_identity(value: object) -> Optional[Identity]:
    """An identity from the record, None when there is none."""
    try:
        major, minor = value["device"].split(":")  # type: ignore[index]
        return Identity((int(major), int(minor)), int(value["inode"]))  # type: ignore[index]
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
