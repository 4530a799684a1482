# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transient units and slices, as systemd wants them."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import systemd


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("dockyard.slice", "/dockyard.slice"),
        ("dockyard-0a1b2c3d4e.slice", "/dockyard.slice/dockyard-0a1b2c3d4e.slice"),
    ],
)
def test_a_slice_lies_inside_the_one_that_its_name_begins_with(name, path):
    assert systemd.slice_path(name) == path


def test_the_daemon_gets_its_arguments_as_they_are_given():
    argv = systemd.transient_unit("u.service", "s.slice", "/log", "/srv/data", 30, ["dockerd", "--label", "x=${HOME}"])
    assert argv[argv.index("--") :] == ["--", "dockerd", "--label", "x=$${HOME}"]  # systemd makes one dollar of two
    assert "RequiresMountsFor=/srv/data" in argv
