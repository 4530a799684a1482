# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests with real daemons: a service for each test, and nothing of it left afterwards."""

from __future__ import annotations

import os
from itertools import count
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import container as container_driver
from ansible_collections.dockyard.svc.tests import support
from ansible_collections.dockyard.svc.tests.support import Service

_number = count(1)


@pytest.fixture(scope="session", autouse=True)
def archive() -> str:
    """The image archive that every container section of these tests names."""
    if not os.path.exists(support.ARCHIVE):
        support.make_archive()
    return support.ARCHIVE


@pytest.fixture
def make() -> Iterator[Callable[..., Service]]:
    """Makes a service of containers and DEFAULT keywords; its path is a new one each time."""
    made = []

    def one(*containers: dict[str, Any], path: str | None = None, **default: Any) -> Service:
        made.append(Service(path or "test/s%d" % next(_number), *containers, **default))
        return made[-1]

    yield one
    for service in made:
        service.wipe()


@pytest.fixture
def service(make: Callable[..., Service]) -> Service:
    """A service with one container that runs until it is asked to end."""
    return make()


@pytest.fixture
def running(service: Service) -> Service:
    """The same, started."""
    service.start()
    return service


@pytest.fixture
def long_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start watches its containers longer: on a busy machine a command that ends at once may take its time for it."""
    monkeypatch.setattr(container_driver, "SETTLE", 2.0)
