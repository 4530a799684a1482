# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Secret values travel apart from the rest of a definition, so that Ansible can keep them out of every output."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

from .errors import not_a_mapping
from .keywords import CONTAINER_DOCKER
from .types import VARIABLES

HIDDEN = "********"
SecretValues = Dict[str, Dict[str, Dict[str, Dict[str, str]]]]
"""Service, section, keyword as written (with its scope) and variable, to the value."""


def split_secrets(definitions: Mapping[str, Any]) -> Tuple[Dict[str, Any], SecretValues]:
    """The definitions with every secret value hidden, and the values taken out of them.

    What is not well formed is hidden too and left for the check to complain about. Raises DefinitionError.
    """
    if not isinstance(definitions, Mapping):
        raise not_a_mapping(definitions)
    public: Dict[str, Any] = {}
    secret: SecretValues = {}
    for service, sections in definitions.items():
        public[service] = sections
        if not isinstance(sections, Mapping):
            continue
        public[service] = dict(sections)
        for section, keywords in sections.items():
            if _is_secret(str(section)):
                public[service][section] = HIDDEN  # beside the sections: an error, but no reason to show it
                continue
            if not isinstance(keywords, Mapping):
                continue
            for key, value in keywords.items():
                if not _is_secret(str(key)) or value is None:
                    continue
                try:
                    variables = VARIABLES.convert(value)
                except ValueError:
                    public[service][section] = {**public[service][section], key: HIDDEN}
                    continue
                public[service][section] = {**public[service][section], key: dict.fromkeys(variables, HIDDEN)}
                secret.setdefault(service, {}).setdefault(section, {})[key] = variables
    return public, secret


def join_secrets(definitions: Mapping[str, Any], secret: SecretValues) -> Dict[str, Any]:
    """The opposite of `split_secrets`."""
    joined = dict(definitions)
    for service, sections in secret.items():
        for section, keywords in sections.items():
            for key, variables in keywords.items():
                joined[service] = {**joined[service], section: {**joined[service][section], key: variables}}
    return joined


def _is_secret(key: str) -> bool:
    keyword = CONTAINER_DOCKER.find(key.partition("@")[0])
    return keyword is not None and keyword.secret
