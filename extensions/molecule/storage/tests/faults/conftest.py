"""The service that may run on both nodes is made before the tests; each of them begins and ends with it stopped on both."""

from __future__ import annotations

import pytest
from ansible_collections.dockyard.svc.extensions.molecule.storage.tests.pair import Pair, anything_of_it
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import read_directory


@pytest.fixture(scope="session")
def made(deb1, scenario):
    """The service, provisioned."""
    pair = Pair(read_directory(str(scenario / "pair")))
    outcome = pair.act(deb1, "provisioned")
    assert not outcome["failed"], outcome["msg"]
    assert not anything_of_it(deb1)
    return pair


@pytest.fixture
def pair(made, deb1, deb2):
    """The service, stopped on both nodes before and after."""
    yield made
    for node in (deb1, deb2):
        if anything_of_it(node):
            made.stop(node)
            assert not anything_of_it(node)
    assert deb1.look()["vgs"]["vgpair"]["owners"] == []
