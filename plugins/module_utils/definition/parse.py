# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""From what was written to a checked definition. Every mistake is reported at once, and nothing runs before."""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple

from . import docker_arguments, ip_address, mount_options, volumes
from .claims import clashes, double_claims
from .errors import DefinitionError, Problem, kind_of, nearest, not_a_mapping, quoted, unmarked
from .keywords import (
    DEFAULT,
    DISK_LOOP,
    DISK_LV,
    DISK_VG,
    GROUPS,
    OLD_IMPLIES,
    RESOURCES,
    SUBSET,
    Keyword,
    Table,
)
from .model import Definition, ResourceDefinition
from .order import order_refusals, start_order
from .owners import owner_refusals
from .paths import ServicePath
from .references import EXPOSED_DEVICE, NoValue, References, scoped_value
from .rids import OLD_SECTIONS, RID
from .standby import standby_refusals
from .types import ITEMS

_SUBSET_RID = re.compile(r"subset#([a-z]+):([A-Za-z0-9_.-]{1,32})")

RawDefinitions = Mapping[str, Mapping[str, Any]]


def parse_all(raw: RawDefinitions, node: str) -> Dict[str, Definition]:
    """Check all the definitions of a node, alone and together.

    `raw` maps a service path to its sections; keywords of DEFAULT may stand at the top level beside the sections.
    Raises DefinitionError with every problem.
    """
    problems: List[Problem] = []
    definitions: Dict[str, Definition] = {}
    if not isinstance(raw, Mapping):
        raise not_a_mapping(raw)
    for name, sections in raw.items():
        try:
            definition = parse(name, sections, node)
        except DefinitionError as error:
            problems.extend(error.problems)
        else:
            definitions[str(definition.path)] = definition
    problems.extend(clashes([definition for definition in definitions.values() if definition.runs_here]))
    if problems:
        raise DefinitionError(problems)
    return definitions


def parse(name: str, raw: Mapping[str, Any], node: str) -> Definition:
    """Check one definition. Raises DefinitionError."""
    try:
        path = ServicePath.parse(name)
    except ValueError as error:
        raise DefinitionError([Problem(quoted(name), "", "", str(error))]) from error
    return _Parser(path, node).parse(raw)


class _Parser:
    """Reads one definition for one node and collects its problems."""

    def __init__(self, path: ServicePath, node: str):
        self._path = path
        self._node = node
        self._problems: List[Problem] = []
        self._references = References(path, node, {})
        self._here = True
        self._old_sections: Dict[str, str] = {}
        self._written: Dict[Tuple[str, str], str] = {}

    def parse(self, raw: Mapping[str, Any]) -> Definition:
        sections = self._sections(raw)
        env = {str(key): value for key, value in sections.pop("env", {}).items()}
        self._references = References(self._path, self._node, {"env": env})
        nodes = self._node_list(sections, "nodes")
        drpnodes = self._node_list(sections, "drpnodes")
        self._here = self._node in nodes + drpnodes or not nodes + drpnodes
        lookup: Dict[str, Dict[str, Any]] = {}
        tables: Dict[str, Table] = {}
        for section, keywords in sections.items():
            table = self._table(section, keywords)
            if table:
                tables[section] = table
                lookup[section] = self._for_node(section, keywords, table, nodes, drpnodes)
        known = {section: self._referable(table, lookup[section]) for section, table in tables.items()}
        known.update({old: known[section] for section, old in self._old_sections.items() if section in known})
        keys = {
            name: scoped_value(env, name, self._node, nodes, drpnodes)
            for name in {key.partition("@")[0] for key in env}
        }
        known["env"] = {name: env[key] for name, key in keys.items() if key is not None}
        self._references = References(self._path, self._node, known)
        default, default_given = self._values("DEFAULT", DEFAULT, lookup["DEFAULT"], sections["DEFAULT"])
        resources = []
        parallel: Set[str] = set()
        for section, table in tables.items():
            if section == "DEFAULT":
                continue
            values, given = self._values(section, table, lookup[section], sections[section])
            if section.startswith("subset#"):
                if values["parallel"]:
                    parallel.add(section[len("subset#") :])
            else:
                group, _hash, index = section.partition("#")
                resources.append(ResourceDefinition(section, group, index, values["type"], values, given))
        resources.sort(key=lambda resource: resource.sort_key)
        if not self._problems:
            self._check_docker(default, default_given, resources)
            if self._here:  # elsewhere, what the rules compare may be given for other nodes alone
                resources = start_order(resources)
                self._check_resources(resources, parallel, default["docker_data_dir"])
        if self._problems:
            raise DefinitionError(self._problems)
        return Definition(
            path=self._path,
            id=default["id"] or self._path.default_id(),
            node=self._node,
            values=default,
            resources=tuple(resources),
            parallel_subsets=frozenset(parallel),
        )

    def _problem(self, section: str, keyword: str, message: str) -> None:
        """Note a problem under the names that its author wrote, which may be old ones."""
        written = self._written.get((section, keyword), keyword)
        self._problems.append(Problem(str(self._path), self._old_sections.get(section, section), written, message))

    def _sections(self, raw: Mapping[str, Any]) -> Dict[str, Dict[str, Any]]:
        """The sections under their current names; what stands at the top level belongs to DEFAULT."""
        if not isinstance(raw, Mapping):
            self._problem("", "", "must be a mapping of keywords and sections, not %s" % kind_of(raw))
            return {"DEFAULT": {}}
        sections: Dict[str, Dict[str, Any]] = {"DEFAULT": {}}
        beside: Dict[str, Any] = {}
        for key, value in raw.items():
            name = str(key)
            if isinstance(value, Mapping) and (name == "env" or not DEFAULT.find(name.partition("@")[0])):
                group, hash_sign, index = name.partition("#")
                values = dict(value)
                if hash_sign and group in OLD_SECTIONS:
                    group, resource_type = OLD_SECTIONS[group]
                    old, name = name, "%s#%s" % (group, index)
                    values["type"] = values.get("type") or resource_type
                    if name not in sections:
                        self._old_sections[name] = old
                if name in sections and name != "DEFAULT":
                    self._problem(quoted(key).strip("'"), "", "there are two sections [%s]" % name)
                sections.setdefault(name, {}).update(values)
            elif name in ("DEFAULT", "env") and value is None:
                continue
            elif "#" in name:
                self._problem(
                    quoted(name).strip("'"),
                    "",
                    "a section must be a mapping of keywords, not %s" % kind_of(value),
                )
            else:
                beside[name] = value
        for name, value in beside.items():
            if name in sections["DEFAULT"]:
                self._problem("DEFAULT", quoted(name).strip("'"), "is given twice: in DEFAULT and beside the sections")
            sections["DEFAULT"][name] = value
        return sections

    def _node_list(self, sections: Dict[str, Dict[str, Any]], keyword: str) -> Tuple[str, ...]:
        try:
            raw = sections["DEFAULT"].get(keyword)
            return () if raw is None else tuple(ITEMS.convert(self._references.resolve(raw, "DEFAULT", False)))
        except ValueError:
            return ()  # reported where the keyword itself is converted

    def _table(self, section: str, keywords: Mapping[str, Any]) -> Optional[Table]:
        """The keywords that a section may hold, or None with a problem noted."""
        if section == "DEFAULT":
            return DEFAULT
        subset = _SUBSET_RID.fullmatch(section)
        if subset and subset.group(1) in GROUPS:
            return SUBSET
        group = subset.group(1) if subset else section.partition("#")[0]
        if not RID.fullmatch(section) or group not in RESOURCES:
            hint = "" if group in GROUPS else nearest(group, (*GROUPS, "DEFAULT", "env", "subset"))
            hint = hint or "; a section is DEFAULT, env, <group>#<index> or subset#<group>:<name>"
            self._problem(
                quoted(self._old_sections.get(section, section)),
                "",
                "unknown section%s; the groups are %s" % (hint, ", ".join(GROUPS)),
            )
            return None
        types = RESOURCES[group]
        only = next(iter(types)) if group in ("ip", "container") else None
        chosen = keywords.get("type") or only
        if not isinstance(chosen, str) or chosen not in types:
            scoped = [key for key in map(str, keywords) if key.startswith("type@")]
            if chosen is None and scoped:
                self._problem(section, quoted(scoped[0]).strip("'"), "cannot differ between nodes")
                return None
            if not isinstance(chosen, str):
                message = "is missing" if chosen is None else "must be a text, not %s" % kind_of(chosen)
            else:
                message = "unknown type %s%s" % (quoted(chosen), nearest(chosen, types))
            self._problem(section, "type", "%s; the types are %s" % (message, ", ".join(types)))
            return None
        return types[chosen]

    def _for_node(
        self, section: str, raw: Mapping[str, Any], table: Table, nodes: Tuple[str, ...], drpnodes: Tuple[str, ...]
    ) -> Dict[str, Any]:
        """The values that hold on this node, under current names; unknown, doubled and misplaced keywords noted."""
        result: Dict[str, Any] = {}
        for key in raw:
            name, at, _scope = str(key).partition("@")
            keyword = table.find(name)
            if keyword is None:
                self._problem(section, quoted(key).strip("'"), "unknown keyword%s" % nearest(name, table.names()))
                continue
            if at and not keyword.scoped:
                self._problem(section, quoted(key).strip("'"), "cannot differ between nodes")
                continue
            chosen = scoped_value(raw, name, self._node, nodes, drpnodes)
            if chosen != key or raw[key] is None:
                continue
            if keyword.name in result:
                self._problem(
                    section,
                    key,
                    "is given twice: %s is an older name of %s" % (" and ".join(keyword.old), keyword.name),
                )
            self._written[section, keyword.name] = key
            result[keyword.name] = raw[key]
        return result

    @staticmethod
    def _referable(table: Table, raw: Mapping[str, Any]) -> Dict[str, Any]:
        """What references may name in a section: every keyword, under its old names too, but no secret."""
        values: Dict[str, Any] = {}
        for keyword in table.keywords.values():
            value = raw.get(keyword.name, keyword.default)
            if value is not None and not keyword.secret:
                values.update(dict.fromkeys((keyword.name, *keyword.old), value))
        if table is DISK_LOOP and "file" in values:
            values[EXPOSED_DEVICE] = values["file"]
        elif table is DISK_LV and {"vg", "name"} <= set(values):
            values[EXPOSED_DEVICE] = "/dev/%s/%s" % (values["vg"], values["name"])
        elif table is DISK_VG:
            values[EXPOSED_DEVICE] = NoValue("a volume group has no device of its own: write /dev/GROUP/VOLUME")
        return values

    def _values(
        self, section: str, table: Table, raw: Mapping[str, Any], written: Mapping[str, Any]
    ) -> Tuple[Dict[str, Any], FrozenSet[str]]:
        """The converted values with the defaults filled in, and the names of those that were given.

        Where the service does not run, a required keyword may be given for other nodes alone.
        """
        values = table.defaults()
        for name in raw:
            values.update(OLD_IMPLIES.get(self._written[section, name].partition("@")[0], {}))
        for name, text in raw.items():
            keyword = table.keywords[name]
            if keyword.ignored:
                continue
            try:
                values[name] = self._convert(section, keyword, text)
            except ValueError as error:
                self._problem(section, name, str(error))
        for keyword in table.keywords.values():
            if keyword.required and keyword.name not in raw:
                elsewhere = any(table.find(str(key).partition("@")[0]) is keyword for key in written)
                if self._here or not elsewhere:
                    self._problem(section, keyword.name, "is missing: %s" % unmarked(keyword.help))
        return values, frozenset(raw)

    def _convert(self, section: str, keyword: Keyword, raw: Any) -> Any:
        if keyword.secret:
            try:
                return keyword.type.convert(raw)
            except ValueError:
                raise ValueError(
                    "must be a mapping of names to texts, or words NAME=value (what it holds is not shown)"
                ) from None
        value = keyword.type.convert(self._references.resolve(raw, section, keyword.type.free_text))
        if keyword.choices and value not in keyword.choices:
            raise ValueError(
                "%s is not one of %s%s"
                % (quoted(value), ", ".join(keyword.choices), nearest(str(value), keyword.choices))
            )
        return value

    def _check_resources(
        self, resources: List[ResourceDefinition], parallel: Set[str], data_root: Optional[str]
    ) -> None:
        """The rules between the keywords of one section, and between sections."""
        for resource in resources:
            for keyword, message in _refusals(resource):
                self._problem(resource.rid, keyword, message)
        for section, keyword, message in [
            *order_refusals(resources, parallel),
            *double_claims(resources),
            *owner_refusals(resources, data_root),
            *standby_refusals(resources, data_root),
        ]:
            self._problem(section, keyword, message)

    def _check_docker(
        self, default: Dict[str, Any], given: FrozenSet[str], resources: List[ResourceDefinition]
    ) -> None:
        """The rules between keywords: arguments that would break the service apart, and networks that lead nowhere."""
        for message in docker_arguments.daemon_refusals(default["docker_daemon_args"]):
            self._problem("DEFAULT", "docker_daemon_args", message)
        if default["docker_data_dir"]:
            refusal = docker_arguments.data_root_refusal(default["docker_data_dir"])
            if refusal:
                self._problem("DEFAULT", "docker_data_dir", refusal)
        else:
            for keyword in ("docker_daemon_args", "docker_socket_group", "docker_subnet"):
                if keyword in given and default[keyword]:
                    self._problem("DEFAULT", keyword, "needs docker_data_dir: it is about the service's private daemon")
        rids = {resource.rid for resource in resources if resource.group == "container"}
        for resource in resources:
            if resource.group == "container":
                for keyword, message in docker_arguments.container_refusals(resource, rids):
                    self._problem(resource.rid, keyword, message)


def _refusals(resource: ResourceDefinition) -> Iterable[Tuple[str, str]]:
    """What cannot be right in one section that is not about Docker, as (keyword, sentence)."""
    if resource.group == "ip":
        return ip_address.refusals(resource.values)
    if resource.group == "fs":
        return mount_options.refusals(resource.values)
    return volumes.refusals(resource.type, resource.values) if resource.group == "disk" else ()
