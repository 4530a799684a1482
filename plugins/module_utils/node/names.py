# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Names to addresses, with a deadline: a name server that is gone must not hold up a status."""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import List

from .addresses import IpAddress
from .errors import Undetermined


def resolve(name: str, deadline: float) -> List[IpAddress]:
    """The addresses of a name, as the node's own resolver tells them. Raises Undetermined, also when there is none."""
    answer: List[IpAddress] = []
    problem: List[str] = []

    def ask() -> None:
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
            answer.extend(sorted(map(ipaddress.ip_address, found), key=lambda address: (address.version, address)))
        except (OSError, UnicodeError, ValueError) as error:
            problem.append(getattr(error, "strerror", None) or str(error))

    # A daemon thread: it may hang for as long as it likes without keeping the module from ending.
    thread = threading.Thread(target=ask, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise Undetermined("the name %s cannot be resolved: %s" % (name, error)) from error
    thread.join(deadline)
    if thread.is_alive():
        raise Undetermined("the name %s was not resolved within %g s" % (name, deadline))
    if problem:
        raise Undetermined("the name %s cannot be resolved: %s" % (name, problem[0]))
    return answer
