# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""What is wrong with an interface, or with an address that is on it, in words; empty when all is well."""

from __future__ import annotations

from ..node import addresses
from ..node.addresses import Address, Link
from .ip_view import View, Wanted


def of_link(link: Link) -> str:
    """Why an address on an interface reaches nobody. Raises Undetermined."""
    if addresses.is_port(link):
        return "%s is a port of %s: name that interface in ipdev" % (link.name, link.master)
    if not link.is_up:
        return "the interface %s is switched off: 'ip link set dev %s up' switches it on" % (link.name, link.name)
    if not link.has_carrier:
        return "the interface %s has no carrier (%s)" % (link.name, link.operstate)
    return ""


def of_entry(wanted: Wanted, view: View, link: Link, entry: Address) -> str:
    """How the address on the interface is not the one that is wanted, or has company. Raises NodeError."""
    prefix = wanted.prefix(view.address, None)
    if prefix is None and view.recorded:
        prefix = view.recorded.prefix
    prefix = prefix or wanted.prefix(view.address, link)
    if prefix and prefix != entry.prefix:
        return "has the prefix length %d, not %d: restart it" % (entry.prefix, prefix)
    if wanted.label and entry.label != wanted.label:
        return "has the label %s, not %s: restart it" % (entry.label, wanted.label)
    if view.recorded and entry.seconds is not None:
        command = addresses.keep_command(link.name, entry)
        return "goes away in %d s, somebody has made its lifetime finite: '%s' lets it stay" % (entry.seconds, command)
    return view.beside
