"""What happens to a volume group under a service."""

from __future__ import annotations

import time
from contextlib import contextmanager

from ansible_collections.dockyard.svc.extensions.molecule.storage.tests.pair import DOWN, UP, active, remarks, states

LVMORE = "/dev/mapper/vgpair-lvmore"


def test_f68_partly_active_group(pair, deb1):
    """One volume of two is active: reported with its name, completed by a start, taken down by a stop."""
    pair.start(deb1, rid="disk")
    deb1.run("lvchange", "--activate", "n", "vgpair/lvmore")
    status = pair.status(deb1)
    assert states(status)["disk#1"] == "warn" and "lvmore" in remarks(status, "disk#1"), status["resources"]["disk#1"]
    pair.start(deb1, rid="disk")
    assert active(deb1) == ["vgpair/lvmore", "vgpair/lvpair"]
    deb1.run("lvchange", "--activate", "n", "vgpair/lvpair")
    pair.stop(deb1)
    assert not active(deb1)


@contextmanager
def held_open(node, path):
    """A process that has a device open."""
    pid = node.ask("hold", path=path)
    try:
        yield pid
    finally:
        node.ask("drop", pid=pid)


def test_f69_volume_is_open_at_the_stop(pair, deb1):
    """The stop fails and names the process; the tag stays, so that no other node takes the group."""
    pair.start(deb1)
    with held_open(deb1, LVMORE) as pid:
        outcome = pair.act(deb1, "stopped")
        assert outcome["failed"], outcome
        assert "pid %d" % pid in outcome["msg"] and "sleep" in outcome["msg"], outcome["msg"]
        now = deb1.look()
        assert now["vgs"]["vgpair"]["owners"] == ["deb1.opensvc.com"]
        assert "vgpair/lvmore" in now["active"]


def test_f71_missing_physical_volume(pair, deb1):
    """A group with a disk missing is not activated in part."""
    device = deb1.run("readlink", "-f", "/dev/disk/by-id/virtio-pair2").strip()
    bus = deb1.run("sh", "-c", "basename $(readlink -f /sys/class/block/%s/device)" % device.rpartition("/")[2]).strip()
    switch = "echo %s > /sys/bus/virtio/drivers/virtio_blk/%s && udevadm settle"
    deb1.run("sh", "-c", switch % (bus, "unbind"))
    try:
        assert deb1.look()["vgs"]["vgpair"]["missing"] == 1
        status = pair.status(deb1)
        assert "missing" in remarks(status, "disk#1"), status["resources"]["disk#1"]
        outcome = pair.act(deb1, "started")
        assert outcome["failed"] and not outcome["changed"] and "missing" in outcome["msg"], outcome
        assert not active(deb1)
    finally:
        deb1.run("sh", "-c", switch % (bus, "bind"))
    assert not deb1.look()["vgs"]["vgpair"]["missing"]


def test_f96_hung_storage(pair, deb1):
    """What does not answer is undef, in time, and up again when it answers."""
    pair.start(deb1)
    deb1.run("dmsetup", "suspend", "--noflush", "vgpair-lvpair")
    try:
        began = time.monotonic()
        status = pair.status(deb1)
        assert time.monotonic() - began < 30
        assert states(status)["fs#1"] == "undef", status
        assert status["overall"] in ("warn", "undef")
    finally:
        deb1.run("dmsetup", "resume", "vgpair-lvpair")
    assert states(pair.status(deb1)) == UP


def test_provision_again_changes_nothing(pair, deb1):
    outcome = pair.act(deb1, "provisioned")
    assert not outcome["failed"] and not outcome["changed"], outcome
    assert states(outcome["status"]) == DOWN
