"""Locks of the node: what is in the place of one is told and not waited for."""

from __future__ import annotations

import os

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import locks
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import NodeError


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("elsewhere", path)])
def test_only_a_regular_file_is_a_lock(tmp_path, make):
    path = str(tmp_path / "lock")
    make(path)
    with pytest.raises(NodeError, match=r"lock .*cannot be"), locks.held(path, "things"):
        pytest.fail("nobody holds what is no lock")


def test_one_after_the_other(tmp_path, monkeypatch):
    path = str(tmp_path / "lock")
    monkeypatch.setattr(locks, "_DEADLINE", 0.1)
    busy = pytest.raises(NodeError, match="the subnets are being changed by another action")
    with locks.held(path, "the subnets"), busy, locks.held(path, "the subnets"):
        pytest.fail("two hold it")
    with locks.held(path, "the subnets"):
        pass
