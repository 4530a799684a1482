# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import last_lines

STACKS = "\n\ngoroutine 1 [running]:\nmain.main()\n\t/go/main.go:7 +0x1d\nrax    0x0\nexit status 2\n"
CASES = [
    ("", ""),
    ("one\n\n  two \nthree\nfour\n", "two | three | four"),
    # A program that cannot start a thread, one that panics, one that is aborted by the C library.
    (
        "runtime: failed to create new OS thread (have 2 already; errno=11)\nfatal error: newosproc\n\nruntime stack:\nx()\n"
        + STACKS,
        "runtime: failed to create new OS thread (have 2 already; errno=11) | fatal error: newosproc",
    ),
    ("panic: no such thing" + STACKS, "panic: no such thing"),
    (
        "runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\nPC=0x1 m=0\n" + STACKS,
        "runtime/cgo: pthread_create failed: Resource temporarily unavailable | SIGABRT: abort",
    ),
    # Nothing but an application that writes such words.
    ("panic: at the disco\nserving\nready\ngoing on\n", "serving | ready | going on"),
]


@pytest.mark.parametrize(("text", "said"), CASES)
def test_last_lines(text, said):
    assert last_lines(text) == said
