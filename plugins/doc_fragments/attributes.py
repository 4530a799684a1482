# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode, and then returns the commands that the real run would have run.
    support: full
  diff_mode:
    description: Shows the statuses before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
  platform:
    description: Linux with Docker Engine, as root.
    platforms: linux
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Changes nothing, in check mode or out of it.
    support: full
  diff_mode:
    description: There is nothing that differs.
    support: N/A
"""

    DOCKER = r"""
attributes:
  check_mode:
    description: In check mode the docker command is returned and not run.
    support: partial
    details: What the command would do is not known.
  diff_mode:
    description: Whether something differs is not known.
    support: none
  idempotent:
    description: As the docker command is.
    support: partial
    details: The start of the daemon is idempotent.
"""

    SINGLE = r"""
attributes:
  diff_mode:
    description: Shows nothing.
    support: none
"""
