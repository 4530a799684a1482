# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.engine.merge import merge

STATES = ("up", "down", "warn", "undef", "n/a", "stdby up", "stdby down")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "n/a"),
        (["n/a", "n/a"], "n/a"),
        (["up", "n/a"], "up"),
        (["up", "up"], "up"),
        (["down", "down"], "down"),
        (["up", "down"], "warn"),
        (["undef"], "warn"),
        (["down", "undef"], "warn"),
        (["n/a", "undef"], "warn"),
        (["up", "stdby up"], "up"),
        (["down", "stdby up"], "stdby up"),
        (["up", "stdby down"], "warn"),
        (["stdby up", "stdby down"], "warn"),
        (["down", "stdby down"], "stdby down"),
        (["up", "up", "warn"], "warn"),
    ],
)
def test_table(states, expected):
    assert merge(states) == expected


def test_the_order_of_two_states_does_not_matter():
    for first, second in itertools.product(STATES, repeat=2):
        assert merge([first, second]) == merge([second, first])


def test_what_could_not_be_told_never_ends_as_down():
    for states in itertools.product(STATES, repeat=3):
        if "undef" in states:
            assert merge(states) == "warn"
