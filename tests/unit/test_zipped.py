# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils import zipped

TELL = """
import collections, json, sys
compiled = collections.Counter()
sys.addaudithook(lambda event, args: event == "compile" and compiled.update([str(args[1])]))
sys.path.insert(0, %r)
%s
import pack.inner.leaf, pack.other
print(json.dumps({
    "compiled": {name: count for name, count in compiled.items() if "pack/" in name},
    "files": [pack.__file__, pack.inner.__file__, pack.inner.leaf.__file__, pack.other.__file__],
    "said": pack.inner.leaf.said,
}))
"""
KEEP = """
import os, zipped
zipped.install(%r, %r)
import pack.inner.leaf, pack.other
%s
zipped.keep(lambda path, content: open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb").write(content))
"""
NAMES = ["pack/__init__.py", "pack/inner/__init__.py", "pack/inner/leaf.py", "pack/other.py"]
ONCE = dict.fromkeys(NAMES, 1)


def write_payload(path, **said):
    with ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(name, "said = %s\n" % said.get(Path(name).stem, "__name__"))
        archive.writestr("zipped.py", Path(zipped.__file__).read_text())


@pytest.fixture
def payload(tmp_path):
    """A zip file with a package, as Ansible makes one, and with the importer beside it."""
    path = tmp_path / "payload.zip"
    write_payload(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Where the bytecode is kept."""
    path = tmp_path / "kept"
    path.mkdir(mode=0o700)
    return path


def told_by(payload, first):
    done = subprocess.run(
        [sys.executable, "-c", TELL % (str(payload), first)], capture_output=True, check=True, text=True
    )
    return json.loads(done.stdout)


def keeping(payload, folder, before=""):
    """What the next call tells, which keeps what it compiles."""
    return told_by(payload, KEEP % (str(payload), str(folder), before))


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_each_file_of_a_zip_is_compiled_once(payload):
    told = told_by(payload, "import zipped")
    files = ["%s/%s" % (payload, name) for name in NAMES]
    assert told == {"compiled": ONCE, "files": files, "said": "pack.inner.leaf"}


def test_without_it_the_modules_are_the_same(payload):
    plain, ours = told_by(payload, ""), told_by(payload, "import zipped")
    assert (plain["files"], plain["said"]) == (ours["files"], ours["said"])


def test_what_was_kept_is_not_compiled_again(payload, folder):
    first, second = keeping(payload, folder), keeping(payload, folder)
    assert (first["compiled"], second["compiled"]) == (ONCE, {})
    assert second["said"] == "pack.inner.leaf"


def test_a_changed_file_is_compiled_again(payload, folder):
    keeping(payload, folder)
    write_payload(payload, leaf="'something new'")
    told = keeping(payload, folder)
    assert (told["compiled"], told["said"]) == ({"pack/inner/leaf.py": 1}, "something new")
    assert keeping(payload, folder)["compiled"] == {}


def test_calls_with_other_modules_share_what_is_kept(payload, folder):
    keeping(payload, folder)
    lesser = "import zipped; zipped.install(%r, %r); zipped.Importer.bytecode.code('more.py', b'')"
    told_by(
        payload,
        lesser % (str(payload), str(folder)) + "; zipped.keep(lambda path, content: open(path, 'wb').write(content))",
    )
    assert keeping(payload, folder)["compiled"] == {}


def test_a_call_that_keeps_nothing_leaves_nothing(payload, folder):
    told_by(payload, "import zipped; zipped.install(%r, %r)" % (str(payload), str(folder)))
    keeping(payload, folder, "import sys; sys.dont_write_bytecode = True")
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there(payload, folder):
    assert keeping(payload, folder / "none")["compiled"] == ONCE
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o1777])
def test_a_folder_that_others_may_enter(payload, folder, mode):
    folder.chmod(mode)
    assert keeping(payload, folder)["compiled"] == keeping(payload, folder)["compiled"] == ONCE
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o660),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"garbage"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"leaf", b"loaf")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.rename(path.with_name("away")), path.symlink_to("away")),
    ],
    ids=["open", "torn", "garbage", "empty", "changed", "folder", "pipe", "link"],
)
def test_a_file_that_is_not_as_it_was_written(payload, folder, spoil):
    keeping(payload, folder)
    spoil(only_file(folder))
    assert told_by(payload, "import zipped; zipped.install(%r, %r)" % (str(payload), str(folder)))["compiled"] == ONCE


def test_a_mistake_in_a_file_names_it(payload, folder):
    write_payload(payload, leaf="(")
    done = subprocess.run(
        [sys.executable, "-c", TELL % (str(payload), "import zipped")], capture_output=True, check=False, text=True
    )
    assert 'File "pack/inner/leaf.py", line 1' in done.stderr and "SyntaxError" in done.stderr


def test_other_zip_files_are_left_to_python(payload, tmp_path):
    other = tmp_path / "other.zip"
    with ZipFile(other, "w") as archive:
        archive.writestr("stranger.py", "")
    told_by(
        payload,
        "import zipped; sys.path.insert(0, %r); import stranger; "
        "assert type(stranger.__loader__).__name__ == 'zipimporter', stranger.__loader__" % str(other),
    )


def test_a_module_that_is_not_there(payload):
    with pytest.raises(ImportError, match="nothing"):
        zipped.Importer(str(payload)).get_filename("nothing")


def test_in_a_folder_nothing_changes():
    assert not hasattr(zipped.Importer, "bytecode")
