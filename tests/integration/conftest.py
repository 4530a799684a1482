# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of these tests."""

from __future__ import annotations

from ansible_collections.dockyard.svc.tests.fixtures import archive, long_settle, make, running, service

__all__ = ["archive", "long_settle", "make", "running", "service"]
