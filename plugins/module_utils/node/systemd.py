# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""systemd, where the machine runs it: transient units that outlive the session of whoever starts them.

Source: systemd-run(1), systemd.resource-control(5).
"""

from __future__ import annotations

import os
from typing import List, Sequence


def is_running() -> bool:
    """Whether systemd is the init of this machine, as sd_booted(3) tells."""
    return os.path.isdir("/run/systemd/system")


def slice_path(name: str) -> str:
    """The control group of the slice `a-b.slice`, which lies inside the one of `a.slice`."""
    words = name[: -len(".slice")].split("-")
    return "".join("/%s.slice" % "-".join(words[: position + 1]) for position in range(len(words)))


def transient_unit(
    unit: str, slice_name: str, log: str, folder: str, stop_timeout: float, argv: Sequence[str]
) -> List[str]:
    """The command that starts `argv` as a service of its own, which works in `folder`.

    At the shutdown of the machine it ends before the file system of its folder is unmounted.
    A daemon that has shut down and only sleeps is killed: that is no failure to be reported.
    The unit delegates its control group, as container managers need; only the daemon itself gets the signal of a stop.
    A dollar sign is doubled: systemd would put the value of a variable in its place.
    """
    properties = [
        "Type=exec",
        "Delegate=yes",
        "KillMode=process",
        "TasksMax=infinity",
        "LimitNOFILE=1048576",
        "RequiresMountsFor=" + folder,
        "SuccessExitStatus=SIGKILL",
        "TimeoutStopSec=%d" % max(1, round(stop_timeout)),
        "StandardInput=null",
        "StandardOutput=append:" + log,
        "StandardError=append:" + log,
    ]
    options = [word for item in properties for word in ("--property", item)]
    command = [word.replace("$", "$$") for word in argv]
    return ["systemd-run", "--quiet", "--collect", "--unit", unit, "--slice", slice_name, *options, "--", *command]
