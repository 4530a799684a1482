# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets travel apart, come back whole, and show up in no message."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.secrets import HIDDEN, join_secrets, split_secrets

SPLIT = [
    ({"secrets": {"TOKEN": "hunter2"}}, {"secrets": {"TOKEN": HIDDEN}}),
    ({"secrets": {"TOKEN": "hunter2", "B": None}}, {"secrets": {"TOKEN": HIDDEN, "B": HIDDEN}}),
    ({"secrets": ["TOKEN=hunter2"]}, {"secrets": {"TOKEN": HIDDEN}}),
    ({"secrets": "TOKEN=hunter2 B='hunter2 x'"}, {"secrets": {"TOKEN": HIDDEN, "B": HIDDEN}}),
    (
        {"secrets@n1": {"TOKEN": "hunter2"}, "secrets": {"T": "hunter2"}},
        {"secrets@n1": {"TOKEN": HIDDEN}, "secrets": {"T": HIDDEN}},
    ),
    ({"secrets": {}}, {"secrets": {}}),
    ({"secrets": None}, {"secrets": None}),
]


@pytest.mark.parametrize(("keywords", "shown"), SPLIT)
def test_secrets_are_hidden_and_come_back(keywords, shown):
    raw = {"a/b": {"env": "PRD", "container#0": {"image": "i", **keywords}}, "c": {"container#0": {"image": "j"}}}
    before = copy.deepcopy(raw)
    public, secret = split_secrets(raw)
    assert raw == before
    assert public["a/b"]["container#0"] == {"image": "i", **shown}
    assert public["c"] == raw["c"]
    assert "hunter2" not in json.dumps(public)
    joined = join_secrets(json.loads(json.dumps(public)), json.loads(json.dumps(secret)))
    assert _secrets(parse_all(joined, "n1")) == _secrets(parse_all(raw, "n1"))
    parse_all(public, "n1")


def _secrets(definitions):
    return [definition.resources[0].values["secrets"] for definition in definitions.values()]


MALFORMED = [
    {"container#0": {"image": "i", "secrets": "hunter2"}},
    {"container#0": {"image": "i", "secrets": "TOKEN='hunter2"}},
    {"container#0": {"image": "i", "secrets": ["hunter2"]}},
    {"container#0": {"image": "i", "secrets": {"TOKEN": ["hunter2"]}}},
    {"container#0": {"image": "i", "secrets": {"TO KEN": "hunter2"}}},
    {"container#0": {"image": "i", "secrets": {"hunter2": "x\0"}}},
    {"container#0": {"image": "i", "secrets": 5}},
    {"contaner#0": {"image": "i", "secrets": {"TOKEN": "hunter2"}}},
    {"secrets": {"TOKEN": "hunter2"}, "container#0": {"image": "i"}},
    {"secrets": "hunter2", "container#0": {"image": "i"}},
    {1: {"secrets": {"TOKEN": "hunter2"}}},
]


@pytest.mark.parametrize("definition", MALFORMED)
def test_malformed_secrets_are_refused_and_not_shown(definition):
    public, secret = split_secrets({"a": definition})
    assert "hunter2" not in repr(public)
    for raw in ({"a": definition}, join_secrets(public, secret)):
        with pytest.raises(DefinitionError) as caught:
            parse_all(raw, "n1")
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "definition", [None, [], "text", {"container#0": None}, {"container#0": ["x"]}, {None: {None: None}}]
)
def test_what_is_no_definition_is_left_for_the_check(definition):
    assert split_secrets({"a": definition}) == ({"a": definition}, {})


@pytest.mark.parametrize("raw", [None, [], "text"])
def test_definitions_that_are_no_mapping(raw):
    with pytest.raises(DefinitionError, match="must be a mapping of service paths"):
        split_secrets(raw)


def test_references_in_secrets_stay_as_they_are():
    raw = {"a": {"container#0": {"image": "i", "secrets": {"TOKEN": "{svcname}{env.x}"}}}}
    assert parse_all(raw, "n1")["a"].resources[0].values["secrets"] == {"TOKEN": "{svcname}{env.x}"}
