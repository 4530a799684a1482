# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a section of group ip may say, and what is refused before a machine is looked at."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.ip_address import (
    device_and_label,
    gateway_refusal,
    literal,
    prefix_length,
    refusals,
)


def section(**keywords):
    return {"ipname": "10.9.0.5", "ipdev": "eth0", "netmask": None, "gateway": None, "label": None, **keywords}


ACCEPTED = [
    {},
    {"ipname": "app.example.com"},
    {"ipname": "app_1"},
    {"ipname": "7up.example.com"},
    {"ipname": "2001:db8::5"},
    {"ipname": "2001:db8::5", "netmask": "64", "gateway": "fe80::1"},
    {"ipname": "2001:db8::5", "netmask": "128"},
    {"netmask": "24", "gateway": "10.9.0.1"},
    {"netmask": "255.255.255.224"},
    {"netmask": "32", "gateway": "192.0.2.1"},
    {"netmask": "31", "ipname": "10.9.0.0"},
    {"gateway": "192.0.2.1"},
    {"ipname": "app", "netmask": "64"},
    {"ipname": "app", "gateway": "2001:db8::1", "netmask": "64"},
    {"ipdev": "eth0:3"},
    {"ipdev": "eth0:3", "label": "eth0:3"},
    {"ipdev": "bond0.100"},
    {"ipdev": "abcdefghijklmno"},
    {"label": "eth0:0123456789"},
]

REFUSED = [
    ({"ipname": "10.9.0"}, "ipname", "four numbers"),
    ({"ipname": "10.9"}, "ipname", "four numbers"),
    ({"ipname": "3232235777"}, "ipname", "four numbers"),
    ({"ipname": "0x0a090005"}, "ipname", "four numbers"),
    ({"ipname": "010.9.0.5"}, "ipname", "leading zeros"),
    ({"ipname": "10.9.0.256"}, "ipname", "256"),
    ({"ipname": "10.9.0.5/24"}, "ipname", "netmask"),
    ({"ipname": "-app"}, "ipname", "host name"),
    ({"ipname": "app..example"}, "ipname", "host name"),
    ({"ipname": "a@b"}, "ipname", "host name"),
    ({"ipname": "fe80::1%eth0"}, "ipname", "zone"),
    ({"ipname": "2001:db8::g"}, "ipname", "2001:db8::g"),
    ({"ipname": "2001:db8::5/64"}, "ipname", "/64"),
    ({"ipname": "0.0.0.0"}, "ipname", "no address"),
    ({"ipname": "::"}, "ipname", "no address"),
    ({"ipname": "127.0.1.1"}, "ipname", "loopback"),
    ({"ipname": "::1"}, "ipname", "loopback"),
    ({"ipname": "224.0.0.5"}, "ipname", "multicast"),
    ({"ipname": "ff02::5"}, "ipname", "multicast"),
    ({"ipname": "255.255.255.255"}, "ipname", "broadcast"),
    ({"ipname": "240.0.0.1"}, "ipname", "reserved"),
    ({"ipname": "0.1.2.3"}, "ipname", "reserved"),
    ({"ipname": "::ffff:10.9.0.5"}, "ipname", "write 10.9.0.5"),
    ({"ipname": "fe80::5"}, "ipname", "link-local"),
    ({"ipname": "10.9.0.255", "netmask": "24"}, "ipname", "broadcast address of the network"),
    ({"ipname": "10.9.0.0", "netmask": "24"}, "ipname", "network"),
    ({"netmask": "33"}, "netmask", "1 to 32"),
    ({"netmask": "0"}, "netmask", "1 to 32"),
    ({"netmask": "255.0.255.0"}, "netmask", "no netmask"),
    ({"netmask": "0.0.0.255"}, "netmask", "no netmask"),
    ({"netmask": "0.0.0.0"}, "netmask", "no netmask"),
    ({"netmask": "abc"}, "netmask", "no netmask"),
    ({"netmask": "129", "ipname": "app"}, "netmask", "1 to 128"),
    ({"netmask": "255.255.255.0", "ipname": "2001:db8::5"}, "netmask", "IPv6"),
    ({"gateway": "2001:db8::1"}, "gateway", "IPv6"),
    ({"gateway": "10.9.0.5"}, "gateway", "service itself"),
    ({"gateway": "router"}, "gateway", "no address"),
    ({"gateway": "10.9.1.1", "netmask": "24"}, "gateway", "not in the network"),
    ({"gateway": "0.0.0.0"}, "gateway", "router"),
    ({"gateway": "224.0.0.1"}, "gateway", "router"),
    ({"gateway": "fe80::1%eth0", "ipname": "2001:db8::5"}, "gateway", "zone"),
    ({"ipdev": "svc@eth0"}, "ipdev", "made for the service"),
    ({"ipdev": "abcdefghijklmnop"}, "ipdev", "15"),
    ({"ipdev": "a/b"}, "ipdev", "no name"),
    ({"ipdev": "eth0:"}, "ipdev", "eth0:"),
    ({"ipdev": "eth0:1:2"}, "ipdev", "eth0:"),
    ({"ipdev": "eth0:01234567890"}, "ipdev", "16 characters"),
    ({"label": "eth0:01234567890"}, "label", "16 characters"),
    ({"label": "eth1:1"}, "label", "eth0:"),
    ({"label": "eth0"}, "label", "eth0:"),
    ({"label": "eth0:a/b"}, "label", "eth0:"),
    ({"ipdev": "eth0:3", "label": "eth0:4"}, "label", "contradicts"),
    ({"ipname": "2001:db8::5", "label": "eth0:4"}, "label", "IPv6"),
    ({"ipname": "2001:db8::5", "ipdev": "eth0:4"}, "ipdev", "IPv6"),
]


@pytest.mark.parametrize("keywords", ACCEPTED, ids=str)
def test_accepted(keywords):
    assert list(refusals(section(**keywords))) == []


@pytest.mark.parametrize(("keywords", "keyword", "words"), REFUSED, ids=str)
def test_refused(keywords, keyword, words):
    found = list(refusals(section(**keywords)))
    assert len(found) == 1, found
    assert found[0][0] == keyword
    assert words in found[0][1]


def test_several_mistakes_at_once():
    found = dict(refusals(section(ipdev="a@b", netmask="99", gateway="x")))
    assert set(found) == {"ipdev", "netmask", "gateway"}


@pytest.mark.parametrize(
    ("text", "version", "prefix"),
    [("24", 4, 24), ("255.255.255.0", 4, 24), ("255.255.255.255", 4, 32), ("128.0.0.0", 4, 1), ("64", 6, 64)],
)
def test_prefix_length(text, version, prefix):
    assert prefix_length(text, version) == prefix


def test_interface_and_label():
    assert device_and_label(section(ipdev="eth0:3")) == ("eth0", "eth0:3")
    assert device_and_label(section(label="eth0:x")) == ("eth0", "eth0:x")
    assert device_and_label(section()) == ("eth0", "")


def test_literal_or_name():
    assert literal("10.9.0.5") == ipaddress.IPv4Address("10.9.0.5")
    assert literal("2001:DB8:0::5") == ipaddress.IPv6Address("2001:db8::5")
    assert literal("app.example.com") is None


def test_gateway_of_a_network_of_one():
    address, gateway = ipaddress.ip_address("10.9.0.5"), ipaddress.ip_address("192.0.2.1")
    assert gateway_refusal(address, 32, gateway) == ""
    assert "10.9.0.0/24" in gateway_refusal(address, 24, gateway)
