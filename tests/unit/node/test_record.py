# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of a service, and whose something is."""

from __future__ import annotations

import json

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import clock
from ansible_collections.dockyard.svc.plugins.module_utils.node.commands import Runner
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import Undetermined
from ansible_collections.dockyard.svc.plugins.module_utils.node.journal import Journal
from ansible_collections.dockyard.svc.plugins.module_utils.node.machine import Directories, Host, Machine
from ansible_collections.dockyard.svc.plugins.module_utils.node.record import Record

NOT_UNDERSTOOD = ["", "[]", "5", '"x"', "{", '{"claims": 5}', '{"claims": [1]}', '{"claims": {"ip#1": 7}}', "\x00"]


@pytest.fixture
def machine(tmp_path):
    """Makes the node as one service sees it."""
    host = Host(Directories(str(tmp_path), str(tmp_path / "run"), str(tmp_path / "log")), systemd=False, hierarchies=[])

    def one(slug):
        return Machine(host, Runner(Journal(slug)), slug, "0" * 10)

    return one


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_nothing(machine, tmp_path, text):
    """Not for the service itself, and not for another one that asks whose something is."""
    file = tmp_path / "a..b" / "record.json"
    file.parent.mkdir()
    file.write_text(text)
    record = Record(str(file), True)
    assert record.claimed("ip#1") == ""
    assert record.get("loops", "disk#1") is None
    assert machine("c").owner_of("ip#1", "address 192.0.2.1") == ""
    record.claim("ip#1", "address 192.0.2.1")
    assert json.loads(file.read_text())["claims"]["ip#1"]["what"] == "address 192.0.2.1"


def test_one_that_cannot_be_read_is_undetermined(machine, tmp_path):
    """To be asked is enough; who has a claim of his own need not know of that of others."""
    (tmp_path / "a" / "record.json").mkdir(parents=True)
    with pytest.raises(Undetermined, match="cannot be read"):
        machine("a").record.get("ip", "ip#1")
    other = machine("c")
    with pytest.raises(Undetermined):
        other.owner_of("ip#1", "address 192.0.2.1")
    other.record.claim("ip#1", "address 192.0.2.1")
    assert other.owner_of("ip#1", "address 192.0.2.1") == ""


def test_the_last_one_to_start_it_has_it(machine, monkeypatch):
    """By the time since the boot, and whatever number the resource has there. An earlier boot is long ago."""
    first, second = machine("app1..svc"), machine("app2..svc")
    first.record.claim("fs#1", "mount on /srv")
    assert "the service app1/svc of this node" in second.owner_of("fs#7", "mount on /srv")
    assert second.owner_of("fs#7", "mount on /other") == ""
    second.record.claim("fs#7", "mount on /srv")
    assert second.owner_of("fs#7", "mount on /srv") == ""
    assert "the service app2/svc of this node" in first.owner_of("fs#1", "mount on /srv")
    monkeypatch.setattr(clock, "boot_id", lambda: "the next boot")
    monkeypatch.setattr(clock, "since_boot", lambda: 1.0)
    first.record.claim("fs#1", "mount on /srv")
    assert first.owner_of("fs#1", "mount on /srv") == ""
    assert "app1/svc" in second.owner_of("fs#7", "mount on /srv")
