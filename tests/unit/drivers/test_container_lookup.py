# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.container_lookup import Found


def found(status, **state):
    return Found("id", status, {"State": {"Status": status, **state}})


@pytest.mark.parametrize(
    ("container", "runs"),
    [
        (found("running", Running=True), True),
        (found("running", Running=True, Restarting=True), False),
        (found("running", Running=True, Paused=True), False),
        (found("running", Running=True, Dead=True), False),
        (found("restarting", Running=True, Restarting=True), False),
        (found("paused", Running=True, Paused=True), False),
        (found("created"), False),
        (found("exited", ExitCode=0), False),
    ],
)
def test_only_a_container_that_really_runs_is_up(container, runs):
    assert container.runs is runs


@pytest.mark.parametrize(
    ("policy", "name"), [({"Name": "no"}, ""), ({"Name": ""}, ""), (None, ""), ({"Name": "always"}, "always")]
)
def test_restart_policy(policy, name):
    assert Found("id", "running", {"HostConfig": {"RestartPolicy": policy}}).restart_policy == name


@pytest.mark.parametrize(("policy", "restarts"), [("always", 3), ("no", 0)])
def test_restarts_count_while_docker_goes_on_with_them(policy, restarts):
    """One that docker has restarted is in doubt until its policy is taken back."""
    inspect = {"HostConfig": {"RestartPolicy": {"Name": policy}}, "RestartCount": 3}
    assert Found("id", "running", inspect).restarts == restarts
