# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_dir:
    description: Where the node keeps what it must remember of its services.
    type: path
    default: /var/lib/dockyard
  run_dir:
    description: Where the node keeps sockets and what else ends with a boot. It should be on a tmpfs, with a short path.
    type: path
    default: /run/dockyard
  log_dir:
    description: Where the node keeps one log file a service, and one for its Docker daemon.
    type: path
    default: /var/log/dockyard
  network_pool:
    description: The IPv4 network that the subnets of private daemons are taken from, a /24 each.
    type: str
    default: 10.199.0.0/16
"""
