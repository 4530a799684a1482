# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import loops
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Result
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import CommandFailed, NodeError, Undetermined
from ansible_collections.dockyard.svc.plugins.module_utils.node.loops import Identity, Loop

TWO = """{
   "loopdevices": [
      {
         "name": "/dev/loop1",
         "back-ino": 15343633,
         "back-maj:min": "     254:0  "
      },{
         "name": "/dev/loop0",
         "back-ino": 15343632,
         "back-maj:min": "     254:0  "
      }
   ]
}
"""
# util-linux 2.33
OLD = """{
   "loopdevices": [
      {"name": "/dev/loop0", "back-ino": "15343632", "back-maj:min": "254:0"}
   ]
}
"""
# A device node that may not be opened
UNREADABLE = """{"loopdevices": [{"name": "/dev/loop0", "back-ino": null, "back-maj:min": null}]}"""
A = Loop("/dev/loop0", Identity((254, 0), 15343632))
B = Loop("/dev/loop1", Identity((254, 0), 15343633))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ('{\n   "loopdevices": [\n\n   ]\n}\n', []),
        (TWO, [B, A]),
        (OLD, [A]),
        (UNREADABLE, []),
    ],
)
def test_what_losetup_says(text, expected):
    assert loops.parse(text) == expected


@pytest.mark.parametrize("text", ["{", "[]", '{"loopdevices": [{}]}', '{"loopdevices": [{"name": "x"}]}', "null"])
def test_what_is_not_understood_is_not_taken_for_none(text):
    with pytest.raises(Undetermined):
        loops.parse(text)


@pytest.fixture
def machine(monkeypatch):
    """A machine whose kernel and losetup say what the test wants."""

    def one(in_use, answer):
        """`in_use` are devices, with the numbers of their attachments where the kernel has such."""

        def execute(argv, deadline):
            if isinstance(answer, Exception):
                raise answer
            return answer

        numbers = in_use if isinstance(in_use, dict) else dict.fromkeys(in_use, "")
        monkeypatch.setattr(loops, "_attachments", lambda: dict(numbers))
        monkeypatch.setattr(loops, "execute", execute)
        monkeypatch.setattr(loops, "_PAUSE", 0)

    monkeypatch.setattr(loops, "_known", {})
    return one


BOOM = CommandFailed(["losetup"], 1, "", "boom")


def test_losetup_is_asked_once_for_an_attachment(machine):
    machine({"loop0": "7", "loop1": "9"}, Result(0, TWO, ""))
    assert loops.table() == [B, A]
    machine({"loop0": "7", "loop1": "9"}, BOOM)
    assert loops.table() == [A, B]
    machine({"loop0": "7"}, BOOM)
    assert loops.table() == [A]
    machine({"loop0": "8"}, BOOM)
    with pytest.raises(Undetermined):
        loops.table()


def test_losetup_is_asked_again_where_attachments_have_no_number(machine):
    machine(["loop0"], Result(0, OLD, ""))
    assert loops.table() == [A]
    machine(["loop0"], BOOM)
    with pytest.raises(Undetermined):
        loops.table()


def test_another_file_while_losetup_answers(machine, monkeypatch):
    """Nobody knows whether it has told of the first or of the second one."""
    numbers = iter(["7", "8"])
    machine([], Result(0, OLD, ""))
    monkeypatch.setattr(loops, "_attachments", lambda: {"loop0": next(numbers)})
    assert loops.table() == [A]
    machine({"loop0": "8"}, BOOM)
    with pytest.raises(Undetermined):
        loops.table()


def test_what_the_kernel_says_of_a_device(monkeypatch, tmp_path):
    monkeypatch.setattr(loops, "_SYSFS", str(tmp_path))
    assert not (A.file or A.read_only or A.vanishes) and A.whole
    (tmp_path / "loop0/loop").mkdir(parents=True)
    for name, text in (("ro", "1"), ("loop/autoclear", "1"), ("loop/backing_file", "/srv/a.img (deleted)")):
        (tmp_path / "loop0" / name).write_text(text + "\n")
    assert A.read_only and A.vanishes and A.file == "/srv/a.img (deleted)"
    for name in ("offset", "sizelimit"):
        (tmp_path / "loop0/loop" / name).write_text("0\n")
        assert A.whole
    (tmp_path / "loop0/loop/sizelimit").write_text("4096\n")
    assert not A.whole


def test_no_loop_device_needs_no_question(machine):
    machine([], BOOM)
    assert loops.table() == []


@pytest.mark.parametrize(
    "answer",
    [
        Result(1, "", "losetup: cannot open"),
        CommandFailed(["losetup"], None, "", "", "losetup was not done after 10 s"),
        Result(0, "", ""),
        Result(0, UNREADABLE, ""),
        Result(0, "rubbish", ""),
    ],
)
def test_what_cannot_be_read_is_undetermined(machine, answer):
    machine(["loop0"], answer)
    with pytest.raises(Undetermined):
        loops.table()


def test_several_devices_of_one_file_are_named(machine, tmp_path):
    file = tmp_path / "disk"
    file.write_bytes(b"x")
    facts = os.stat(file)
    row = OLD.replace("15343632", str(facts.st_ino)).replace(
        "254:0", "%d:%d" % (os.major(facts.st_dev), os.minor(facts.st_dev))
    )
    machine(["loop0"], Result(0, row, ""))
    assert loops.device_of(str(file)) == "/dev/loop0"
    entry = row[row.index("      {") : row.index("   ]")]
    machine(["loop0", "loop7"], Result(0, row.replace(entry, entry + "," + entry.replace("loop0", "loop7")), ""))
    with pytest.raises(NodeError, match=r"several loop devices.*/dev/loop0, /dev/loop7"):
        loops.device_of(str(file))
    assert loops.device_of(str(tmp_path / "none")) == ""


@pytest.mark.parametrize(
    ("in_use", "taken", "expected"),
    [
        ([], (), "/dev/loop0"),
        (["loop0", "loop1", "loop3"], (), "/dev/loop2"),
        (["loop0"], ("/dev/loop1",), "/dev/loop2"),
    ],
)
def test_the_next_free_device(machine, in_use, taken, expected):
    machine(in_use, Result(0))
    assert loops.next_free(taken) == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (lambda path: path.symlink_to("/etc/hosts"), "is a symbolic link"),
        (os.mkfifo, "is not a regular file"),
    ],
)
def test_what_is_no_file_for_a_disk(tmp_path, make, message):
    path = tmp_path / "disk"
    make(path)
    with pytest.raises(NodeError, match=message):
        loops.check_file(str(path))
