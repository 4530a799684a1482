# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
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
    "compiled": {name: count for name, count in compiled.items() if "/pack/" in name},
    "files": [pack.__file__, pack.inner.__file__, pack.inner.leaf.__file__, pack.other.__file__],
    "said": pack.inner.leaf.said,
}))
"""
NAMES = ["pack/__init__.py", "pack/inner/__init__.py", "pack/inner/leaf.py", "pack/other.py"]


@pytest.fixture
def payload(tmp_path):
    """A zip file with a package, as Ansible makes one, and with the importer beside it."""
    path = tmp_path / "payload.zip"
    with ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(name, "said = __name__\n")
        archive.writestr("zipped.py", Path(zipped.__file__).read_text())
    return path


def told_by(payload, first):
    done = subprocess.run(
        [sys.executable, "-c", TELL % (str(payload), first)], capture_output=True, check=True, text=True
    )
    return json.loads(done.stdout)


def test_each_file_of_a_zip_is_compiled_once(payload):
    told = told_by(payload, "import zipped")
    files = ["%s/%s" % (payload, name) for name in NAMES]
    assert told == {"compiled": dict.fromkeys(files, 1), "files": files, "said": "pack.inner.leaf"}


def test_without_it_the_modules_are_the_same(payload):
    plain, ours = told_by(payload, ""), told_by(payload, "import zipped")
    assert (plain["files"], plain["said"]) == (ours["files"], ours["said"])


def test_a_module_that_is_not_there(payload):
    with pytest.raises(ImportError, match="nothing"):
        zipped.Importer(str(payload)).get_filename("nothing")


def test_in_a_folder_nothing_changes():
    assert zipped.Importer not in sys.path_hooks
