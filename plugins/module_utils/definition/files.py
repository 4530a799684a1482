# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Definitions in files: `<namespace>/<name>.conf`, or `<name>.conf` for the root namespace; .env, .json and .yml, too."""

from __future__ import annotations

import configparser
import json
import os
from typing import Any, Dict, List, Tuple

from .errors import DefinitionError, Problem, quoted

INI = (".conf", ".env")
JSON = (".json",)
YAML = (".yml", ".yaml")
_NOT_READ = (".ini", ".cfg", ".toml", ".j2")
_DEEPEST = 3  # folders below the one of the definitions that are looked through for what is left out


def read_directory(folder: str) -> Dict[str, Any]:
    """Every definition below `folder`, by service path. Files with another ending, and hidden ones, are left alone.

    Raises DefinitionError for files that cannot be read or that define one service twice.
    """
    definitions: Dict[str, Any] = {}
    problems: List[Problem] = []
    if not os.path.isdir(folder):
        raise DefinitionError([Problem(folder, "", "", "there is no such folder (dockyard_services_dir)")])
    origin: Dict[str, str] = {}
    for file in _files(folder):
        path, ending = os.path.splitext(os.path.relpath(file, folder))
        try:
            _check_place(file, folder)
            definitions[path] = _read(file, ending)
        except RecursionError:
            problems.append(Problem(path, "", "", "%s cannot be read: it is nested too deep" % file))
        except (OSError, UnicodeDecodeError, ValueError, configparser.Error) as error:
            problems.append(Problem(path, "", "", "%s cannot be read: %s" % (file, " ".join(str(error).split()))))
        if path in origin:
            problems.append(Problem(path, "", "", "is defined twice: in %s and in %s" % (origin[path], file)))
        origin[path] = file
    if problems:
        raise DefinitionError(problems)
    return definitions


def left_out(folder: str) -> List[str]:
    """The files that look like definitions and are none: deeper than a namespace, or with an ending that is not read."""
    found = []
    for parent, folders, files in os.walk(folder):
        depth = os.path.relpath(parent, folder).count(os.sep) + (parent != folder)
        folders[:] = sorted(name for name in folders if depth < _DEEPEST and not name.startswith("."))
        for name in sorted(files):
            ending = os.path.splitext(name)[1]
            deep = depth > 1 and ending in INI + JSON + YAML
            if not name.startswith(".") and (deep or ending in _NOT_READ):
                found.append(os.path.relpath(os.path.join(parent, name), folder))
    return found


def _files(folder: str) -> List[str]:
    found = []
    for parent, folders, files in os.walk(folder):
        depth = os.path.relpath(parent, folder).count(os.sep) + (parent != folder)
        folders[:] = sorted(name for name in folders if depth == 0 and not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1] in INI + JSON + YAML:
                found.append(os.path.join(parent, name))
    return found


def _check_place(file: str, folder: str) -> None:
    """A link could show foreign text in a message, and a pipe would be read for ever."""
    if not os.path.isfile(file):
        raise ValueError("it is not a regular file")
    if os.path.commonpath([os.path.realpath(file), os.path.realpath(folder)]) != os.path.realpath(folder):
        raise ValueError("it is a link that leads out of the folder")


def _read(file: str, ending: str) -> Dict[str, Any]:
    with open(file, encoding="utf-8-sig") as stream:
        text = stream.read()
    if ending in INI:
        return parse_ini(text, os.path.basename(file))
    if ending in JSON:
        value = json.loads(text, object_pairs_hook=_mapping)
    else:
        import yaml  # PyYAML comes with ansible-core, which the controller has; a node need not

        class Loader(yaml.SafeLoader):
            """Refuses a key that stands twice; PyYAML would keep the last one only."""

            def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
                _mapping([(key.value, None) for key, _value in node.value if isinstance(key, yaml.ScalarNode)])
                return super().construct_mapping(node, deep)

        try:
            value = yaml.load(text, Loader)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
    if not isinstance(value, dict):
        raise ValueError("it must hold a mapping of sections")
    return value


def _mapping(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    mapping: Dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError("%s stands there twice" % quoted(key))
        mapping[key] = value
    return mapping


def parse_ini(text: str, name: str = "the text") -> Dict[str, Dict[str, str]]:
    """The sections of an INI text. `[DEFAULT]` is a section like any other. Raises configparser.Error."""
    parser = configparser.RawConfigParser(
        delimiters=("=",), comment_prefixes=("#", ";"), default_section="\0", strict=True
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text, name)
    return {section: {key: value or "" for key, value in parser.items(section)} for section in parser.sections()}
