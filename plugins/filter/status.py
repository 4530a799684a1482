# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters that turn the statuses of M(dockyard.svc.service_info) into text."""

from __future__ import annotations

from typing import Any, Callable, Iterable

from ansible.errors import AnsibleFilterError
from ansible_collections.dockyard.svc.plugins.plugin_utils import render


def _text(draw: Callable[[Iterable[dict[str, Any]], Iterable[str]], str]) -> Callable[..., str]:
    def filter_(statuses: Any, unread: Iterable[str] = ()) -> str:
        try:
            return draw(list(statuses), list(unread))
        except (KeyError, TypeError) as error:
            raise AnsibleFilterError(
                "needs a list of statuses as dockyard.svc.service_info returns them: %r" % error
            ) from error

    return filter_


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Callable[[Any], str]]:
        return {"tree": _text(render.tree), "monitor": _text(render.monitor)}
