# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Fast imports from a zip file, which is how Ansible brings a module and all that it imports to a node.

Python keeps the bytecode of what it imports from folders, but compiles each file of a zip file anew in each process, and
even twice: it finds out the name of a file by compiling it (zipimporter.get_filename in CPython). This collection has a
hundred files. Here a file is compiled once, and what an action has compiled is kept for the calls that follow.

What is kept is checked against the source, as Python's own checked hash-based files are (PEP 552), and lies in a folder of
root that ends with a boot. Imported for its effect, before what it is to make faster; it has none where the collection lies
in a folder.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType
from typing import Any, Callable, Dict, Tuple
from zipimport import zipimporter

FOLDER = "/run/dockyard/private"
_SEAL = len(source_hash(b""))


Kept = Dict[str, Tuple[bytes, bytes]]
"""By the name of a file: the hash of its source, and its code marshalled."""


class Bytecode:
    """The code of files, by name. What was compiled by earlier calls comes from a file in `folder`."""

    def __init__(self, folder: str):
        version = "%s.%s" % (sys.implementation.cache_tag, MAGIC_NUMBER[:2].hex())
        self.path = os.path.join(folder, "bytecode-%s-O%d" % (version, sys.flags.optimize))
        self._kept = self._read()
        self._is_more = False  # than the file holds

    def code(self, name: str, source: bytes) -> CodeType:
        """The code of a file. Raises SyntaxError."""
        hashed = source_hash(source)
        known, marshalled = self._kept.get(name, (b"", b""))
        if known == hashed:
            code: CodeType = marshal.loads(marshalled)
            return code
        code = compile(source, name, "exec", dont_inherit=True)
        self._kept[name] = hashed, marshal.dumps(code)
        self._is_more = True
        return code

    def keep(self, write: Callable[[str, bytes], None]) -> None:
        """Have `write` put everything into the file, unless that has it already. Does without where it cannot be written."""
        if self._is_more and not sys.dont_write_bytecode and _is_private(os.path.dirname(self.path), stat.S_ISDIR):
            content = marshal.dumps(self._kept)
            try:
                write(self.path, source_hash(content) + content)
            except OSError:
                pass

    def _read(self) -> Kept:
        """What the file holds. Nothing when somebody else could have written it, or when it is not as it was written."""
        if not (_is_private(os.path.dirname(self.path), stat.S_ISDIR) and _is_private(self.path, stat.S_ISREG)):
            return {}
        try:
            with open(self.path, "rb") as stream:
                seal, content = stream.read(_SEAL), stream.read()
        except OSError:
            return {}
        kept: Kept = marshal.loads(content) if seal == source_hash(content) else {}
        return kept


def _is_private(path: str, is_kind: Callable[[int], bool]) -> bool:
    """Whether a file or folder is of that kind, and nobody else can read or write it."""
    try:
        facts = os.lstat(path)
    except OSError:
        return False
    return is_kind(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


class Importer(zipimporter):
    """Imports from one folder of a zip file of sources."""

    bytecode: Bytecode

    def get_filename(self, fullname: str) -> str:
        """The name of the file of a module. Raises ZipImportError when there is no such module."""
        end = "/__init__.py" if self.is_package(fullname) else ".py"
        return "%s/%s%s%s" % (self.archive, self.prefix, fullname.rpartition(".")[2], end)

    def get_code(self, fullname: str) -> CodeType:
        """The code of a module, which has its name in the zip file as its own. Python asks for it since version 3.10."""
        path = self.get_filename(fullname)
        return self.bytecode.code(path[len(self.archive) + 1 :], self.get_data(path))


def install(archive: str, folder: str) -> None:
    """Import from this zip file this way from now on; what is imported already stays as it is."""
    Importer.bytecode = Bytecode(folder)

    def importer(place: str) -> Importer:
        if not (place + "/").startswith(archive + "/"):
            raise ImportError("not in the zip file: %s" % place)
        return Importer(place)

    sys.path_hooks.insert(0, importer)
    for place, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter) and finder.archive == archive:
            del sys.path_importer_cache[place]


def keep(write: Callable[[str, bytes], None]) -> None:
    """Keep for later calls what this one has compiled."""
    if hasattr(Importer, "bytecode"):
        Importer.bytecode.keep(write)


_loader: Any = globals().get("__loader__")
if isinstance(_loader, zipimporter):
    install(_loader.archive, FOLDER)
