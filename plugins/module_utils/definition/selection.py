# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Which services and which of their resources an action is for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Callable, Dict, Iterable, List, Sequence, Set, Tuple, Union

from .errors import nearest, quoted
from .model import Definition, ResourceDefinition
from .rids import current_name

Words = Union[str, Sequence[str]]
"""A text with commas in it, or a list of such texts."""
_GLOB = "*?["


def select_services(patterns: Words, paths: Iterable[str]) -> List[str]:
    """The service paths that patterns select, in the order of `paths`.

    `*/*` takes every service, the root namespace included; a pattern without a slash is about the root namespace.
    Raises ValueError when a path that is no pattern does not exist, or when nothing at all is selected.
    """
    known = list(paths)
    chosen: List[str] = []
    wanted = _items(patterns)
    if not wanted:
        raise ValueError("no service is named; */* takes every one")
    for pattern in wanted:
        matches = [path for path in known if _matches(pattern, path)]
        if not matches and not any(char in pattern for char in _GLOB):
            raise ValueError("there is no service %s%s" % (quoted(pattern), _nearest_path(pattern, known)))
        chosen.extend(matches)
    if not chosen:
        raise ValueError("no service matches %s; there %s%s" % (quoted(", ".join(wanted)), _count(known), _some(known)))
    selected = set(chosen)
    return [path for path in known if path in selected]


def select_resources(
    selection: Words, definitions: Dict[str, Definition], tags: Words = "", subsets: Words = ""
) -> Dict[str, Tuple[str, ...]]:
    """The rids that an action is for, by service, in the order of a start. What is empty selects all.

    `selection` holds rids, groups and group.types; `tags` tags, where `a+b` wants both; `subsets` subsets. A resource must
    be in each of the three that are given. Raises ValueError for a name that no service has, for a selection without a
    name, and when nothing at all is selected.
    """
    for name, given in (("rid", selection), ("tags", tags), ("subsets", subsets)):
        if not _items(given) and _is_given(given):
            raise ValueError("%s names nothing: leave it out, or empty, to take all" % name)
    wanted: List[Tuple[str, Set[Tuple[str, ...]], Callable[[ResourceDefinition], Sequence[str]]]] = [
        ("a resource", {(current_name(item),) for item in _items(selection)}, _names),
        ("a resource with the tag", {tuple(item.split("+")) for item in _items(tags)}, _tags),
        ("a resource in the subset", {(item,) for item in _items(subsets)}, _subsets),
    ]
    resources = [resource for definition in definitions.values() for resource in definition.resources]
    for what, alternatives, names in wanted:
        known = {name for resource in resources for name in names(resource)}
        for name in sorted({name for alternative in alternatives for name in alternative} - known):
            raise ValueError("no selected service has %s %s%s" % (what, quoted(name), nearest(name, sorted(known))))
    selected = {
        path: tuple(
            resource.rid
            for resource in definition.resources
            if all(_matches_one(alternatives, names(resource)) for _what, alternatives, names in wanted)
        )
        for path, definition in definitions.items()
    }
    if resources and not any(selected.values()):
        texts = [quoted(",".join(_items(given))) for given in (selection, tags, subsets) if _items(given)]
        raise ValueError("no resource of the selected services is in all of %s" % ", ".join(texts))
    return selected


def named_in_full(patterns: Words) -> List[str]:
    """The patterns that are the path of one service."""
    return [pattern for pattern in _items(patterns) if not any(char in pattern for char in _GLOB)]


def _items(words: Words) -> List[str]:
    texts = [words] if isinstance(words, str) else words
    return [item.strip() for text in texts for item in text.split(",") if item.strip()]


def _is_given(words: Words) -> bool:
    """Whether something was written, be it commas alone or an empty list. Ansible makes a list of one text of `""`."""
    texts = [words] if isinstance(words, str) else words
    return len(texts) != 1 or bool(texts[0].strip())


def _matches_one(alternatives: Set[Tuple[str, ...]], names: Sequence[str]) -> bool:
    return not alternatives or any(set(alternative) <= set(names) for alternative in alternatives)


def _names(resource: ResourceDefinition) -> Sequence[str]:
    return (resource.rid, resource.group, "%s.%s" % (resource.group, resource.type))


def _tags(resource: ResourceDefinition) -> Sequence[str]:
    return tuple(resource.values["tags"])


def _subsets(resource: ResourceDefinition) -> Sequence[str]:
    """A subset by its name, and with its group as sections name it."""
    name = resource.values["subset"]
    return (name, "%s:%s" % (resource.group, name)) if name else ()


def _matches(pattern: str, path: str) -> bool:
    namespace, _slash, name = path.rpartition("/")
    wanted_namespace, _slash, wanted_name = pattern.rpartition("/")
    return fnmatchcase(namespace, wanted_namespace) and fnmatchcase(name, wanted_name)


def _nearest_path(wanted: str, known: Sequence[str]) -> str:
    """The hint for a path that no service has: the same name in another namespace comes first."""
    name = wanted.rpartition("/")[2]
    namesakes = [path for path in known if path.rpartition("/")[2] == name]
    return "; did you mean %s?" % namesakes[0] if len(namesakes) == 1 else nearest(wanted, known)


def _count(paths: Sequence[str]) -> str:
    return "is 1 service" if len(paths) == 1 else "are %d services" % len(paths)


def _some(paths: List[str]) -> str:
    return ": " + ", ".join(paths[:5]) + (", ..." if len(paths) > 5 else "") if paths else ""
