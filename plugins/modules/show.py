#!/usr/bin/python
# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: show
short_description: Print text as it is
version_added: 1.0.0
description:
  - Prints text on the controller line by line, without quotes or escapes, whatever callback is in use, so that the status
    tree and the monitor table read the same in a terminal and in the output of a job template.
  - It runs on the controller and touches no host.
options:
  text:
    description: What to print.
    type: str
    required: true
attributes:
  check_mode:
    description: Works the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Runs on the controller.
    platforms: posix
    support: full
seealso:
  - module: dockyard.svc.service_info
author:
  - dockyard.svc authors (@dockyard-svc)
"""

EXAMPLES = r"""
---
- name: Show the services of the node
  dockyard.svc.show:
    text: "{{ read.services.values() | dockyard.svc.monitor }}"
"""

RETURN = r"""
lines:
  description: What was printed.
  returned: always
  type: list
  elements: str
"""
