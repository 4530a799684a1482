# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address a resource means: literal, name, record, and what they say of one another."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import ip_view
from ansible_collections.dockyard.svc.plugins.module_utils.drivers.ip_view import Recorded, Wanted, look
from ansible_collections.dockyard.svc.plugins.module_utils.node import addresses, clock, session
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import Undetermined


def values(**keywords):
    return {"ipname": "app", "ipdev": "eth0", "netmask": None, "gateway": None, "label": None, **keywords}


def known(monkeypatch, *found):
    def resolve(name, _deadline):
        if not found:
            raise Undetermined("the name %s cannot be resolved" % name)
        return [ipaddress.ip_address(text) for text in found]

    monkeypatch.setattr(ip_view, "resolve", resolve)


@pytest.mark.parametrize(
    ("found", "keywords", "address"),
    [
        (["10.9.0.5"], {}, "10.9.0.5"),
        (["10.9.0.5", "2001:db8::5"], {}, "10.9.0.5"),
        (["10.9.0.5", "2001:db8::5"], {"netmask": "64"}, "2001:db8::5"),
        (["10.9.0.5", "2001:db8::5"], {"gateway": "fe80::1"}, "2001:db8::5"),
        (["2001:db8::5"], {}, "2001:db8::5"),
    ],
)
def test_the_address_of_a_name(monkeypatch, found, keywords, address):
    known(monkeypatch, *found)
    assert str(Wanted(values(**keywords)).address()) == address


@pytest.mark.parametrize(
    ("found", "keywords", "words"),
    [
        (["10.9.0.5", "10.9.0.6"], {}, "10.9.0.5, 10.9.0.6"),
        (["10.9.0.5"], {"netmask": "64"}, "write the address"),
        (["127.0.1.1"], {}, "loopback"),
        ([], {}, "cannot be resolved"),
    ],
)
def test_names_that_tell_no_address(monkeypatch, found, keywords, words):
    known(monkeypatch, *found)
    with pytest.raises(Undetermined, match=words):
        Wanted(values(**keywords)).address()


RECORD = {
    "address": "10.9.0.5",
    "prefix": 24,
    "dev": "eth0",
    "gateway": None,
    "announced": True,
    "index": 2,
    "boot": clock.boot_id(),
}


@pytest.mark.parametrize("record", [None, 5, {}, {"address": "10.9.0.5"}, {**RECORD, "address": "nonsense..."}, []])
def test_records_that_are_none(record):
    assert Recorded.read(record) is None


def test_a_record_comes_back_as_it_was():
    assert Recorded.read(RECORD).as_dict() == RECORD


@pytest.mark.parametrize(
    ("found", "record", "present", "address", "stale", "drifts"),
    [
        (["10.9.0.5"], None, [], "10.9.0.5", False, False),
        (["10.9.0.5"], RECORD, ["10.9.0.5"], "10.9.0.5", False, False),
        (["10.9.0.6"], RECORD, ["10.9.0.5"], "10.9.0.5", True, True),
        (["10.9.0.6"], RECORD, [], "10.9.0.6", False, False),
        ([], RECORD, [], "10.9.0.5", False, True),
        ([], RECORD, ["10.9.0.5"], "10.9.0.5", False, True),
        (["10.9.0.6"], {**RECORD, "boot": "an earlier one"}, ["10.9.0.5"], "10.9.0.6", False, False),
        ([], {**RECORD, "boot": "an earlier one"}, ["10.9.0.5"], "10.9.0.5", False, True),
    ],
)
def test_name_against_record(monkeypatch, found, record, present, address, stale, drifts):
    known(monkeypatch, *found)
    entries = tuple(addresses.Address(ipaddress.ip_address(text), 24) for text in present)
    link = addresses.Link("eth0", 2, "ether", "52:54:00:12:34:56", frozenset(["UP"]), "UP", (), entries)
    monkeypatch.setattr(addresses, "read", lambda: [link])
    view = look(Wanted(values()), record, None)
    assert (str(view.address), view.stale, bool(view.drift)) == (address, stale, drifts)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.9 40000 10.9.0.5 22", "10.9.0.5"),
        ("::ffff:192.0.2.9 40000 ::ffff:10.9.0.5 22", "10.9.0.5"),
        ("fe80::9%eth0 40000 fe80::5%eth0 22", "fe80::5"),
        ("nonsense", None),
    ],
)
def test_where_the_session_came_in(monkeypatch, text, address):
    monkeypatch.setenv("SSH_CONNECTION", text)
    found = session.entry_address()
    assert (str(found) if found else None) == address
