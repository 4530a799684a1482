# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of ARP and of neighbour discovery, byte by byte."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import arp, ndp

OWN = bytes.fromhex("525400123456")
OTHER = bytes.fromhex("525400abcdef")
V4 = socket.inet_aton("10.9.0.5")
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::12:3456")
LANGUAGES = [(arp, V4, socket.inet_aton("10.9.0.6")), (ndp, V6, socket.inet_pton(socket.AF_INET6, "2001:db8::6"))]


def test_arp_probe():
    assert arp.probe(OWN, V4).hex() == (
        "ffffffffffff52540012345608060001080006040001525400123456000000000000000000000a090005"
    )


def test_arp_announcements():
    request, reply = arp.announcements(OWN, V4, False)
    assert request.hex().endswith("00015254001234560a0900050000000000000a090005")
    assert reply.hex().endswith("00025254001234560a090005ffffffffffff0a090005")


def test_neighbour_solicitation():
    frame = ndp.probe(OWN, V6)
    assert frame[:14].hex() == "3333ff12345652540012345686dd"
    assert frame[14:22].hex() == "6000000000183aff"
    assert frame[22:38] == bytes(16)
    assert socket.inet_ntop(socket.AF_INET6, frame[38:54]) == "ff02::1:ff12:3456"
    assert (frame[54], frame[62:78]) == (135, V6)
    assert ndp._checksum(frame[22:54] + b"\0\0\0\x18\0\0\0\x3a" + frame[54:]) == 0


@pytest.mark.parametrize(("router", "flags"), [(False, "20000000"), (True, "a0000000")])
def test_neighbour_advertisement(router, flags):
    (frame,) = ndp.announcements(OWN, V6, router)
    assert frame[:6].hex() == "333300000001"
    assert (frame[22:38], frame[58:62].hex(), frame[62:78]) == (V6, flags, V6)
    assert frame[78:].hex() == "0201525400123456"
    assert ndp._checksum(frame[22:54] + b"\0\0\0\x20\0\0\0\x3a" + frame[54:]) == 0


@pytest.mark.parametrize(("language", "address", "another"), LANGUAGES, ids=["arp", "ndp"])
def test_who_is_heard(language, address, another):
    for frame in language.announcements(OTHER, address, False):
        assert language.claimant(frame, address) == OTHER
        assert language.asker(frame, address) == b""
        assert language.claimant(frame, another) == b""
    probe = language.probe(OTHER, address)
    assert (language.claimant(probe, address), language.asker(probe, address)) == (b"", OTHER)
    assert language.asker(probe, another) == b""


@pytest.mark.parametrize(("language", "address", "_another"), LANGUAGES, ids=["arp", "ndp"])
def test_broken_packets_say_nothing(language, address, _another):
    for whole in (language.probe(OTHER, address), language.announcements(OTHER, address, False)[0]):
        for length in range(42 if language is arp else 78):
            assert language.claimant(whole[:length], address) == language.asker(whole[:length], address) == b""


def test_an_ordinary_question_is_no_conflict():
    question = arp._packet(OTHER, 1, socket.inet_aton("10.9.0.9"), bytes(6), V4)
    assert arp.claimant(question, V4) == arp.asker(question, V4) == b""


def test_an_advertisement_from_afar_is_not_believed():
    frame = bytearray(ndp.announcements(OTHER, V6, False)[0])
    frame[21] = 254  # a router has let it through
    assert ndp.claimant(bytes(frame), V6) == b""
