"""What two nodes that see the same disks can do to each other."""

from __future__ import annotations

from ansible_collections.dockyard.svc.extensions.molecule.storage.tests.pair import UP, remarks, states

LVMORE = "/dev/mapper/vgpair-lvmore"


def test_f63_other_node_owns_the_volume_group(pair, deb1, deb2):
    """The tag of another node is respected: nothing is touched, and the message names the node."""
    pair.start(deb1)
    before = deb2.look()
    assert before["vgs"]["vgpair"]["owners"] == ["deb1.opensvc.com"]
    for rid in ("", "disk"):
        outcome = pair.act(deb2, "started", rid=rid)
        assert outcome["failed"] and outcome["commands"] == [] and not outcome["changed"], outcome
        assert "deb1.opensvc.com" in outcome["msg"] or "192.0.2.23" in outcome["msg"], outcome["msg"]
    assert "deb1.opensvc.com" in outcome["msg"]
    assert deb2.look() == before
    assert states(pair.status(deb1)) == UP
    # A stop on the node that has nothing of it leaves the owner alone.
    assert not pair.stop(deb2)["changed"]
    assert states(pair.status(deb1)) == UP


def test_f64_both_start_at_once(pair, deb1, deb2):
    """At most one of them gets the volume group, whatever the moment."""
    running = [(node, pair.begin(node, "started")) for node in (deb1, deb2)]
    outcomes = {node.name: node.ask("wait", pid=pid) for node, pid in running}
    active = [node.name for node in (deb1, deb2) if "vgpair/lvpair" in node.look()["active"]]
    winners = [name for name, outcome in outcomes.items() if not outcome["failed"]]
    assert active == winners and len(winners) <= 1, {name: outcome["msg"] for name, outcome in outcomes.items()}


def test_f50_address_is_used_by_the_other_node(pair, deb1, deb2):
    """Somebody answers for the address: the start ends before anything is touched, and says who it is."""
    deb2.run("ip", "address", "add", "192.0.2.23/32", "dev", "eth0")
    try:
        before = deb1.look()
        outcome = pair.act(deb1, "started")
        assert outcome["failed"] and not outcome["changed"]
        assert "52:54:00:00:01:02" in outcome["msg"], outcome["msg"]
        assert deb1.look() == before
    finally:
        deb2.run("ip", "address", "del", "192.0.2.23/32", "dev", "eth0")


def test_f83_multiple_mount_protection(pair, deb1, deb2):
    """A file system that both nodes see is made with it, so that the kernel refuses a second mount. Without, a start does."""
    pair.start(deb1, "disk,fs")
    assert "mmp" in deb1.run("dumpe2fs", "-h", LVMORE)
    deb2.run("vgchange", "--activate", "y", "vgpair")
    try:
        assert deb2.run("mount", LVMORE, "/mnt", accept=(32,))
    finally:
        deb2.run("vgchange", "--activate", "n", "vgpair")
    assert states(pair.status(deb1))["fs#2"] == "up"
    pair.stop(deb1, rid="fs")
    deb1.run("tune2fs", "-O", "^mmp", LVMORE)
    try:
        outcome = pair.act(deb1, "started", rid="fs")
        assert "mmp" in (outcome["msg"] + remarks(outcome["status"], "fs#2")).lower(), outcome
        pair.stop(deb1, rid="fs")
    finally:
        deb1.run("tune2fs", "-O", "mmp", LVMORE)


def test_f65_autoactivation_is_switched_on_again(pair, deb1):
    """That is reported, and the next start switches it off."""
    pair.start(deb1)
    deb1.run("vgchange", "--setautoactivation", "y", "vgpair")
    status = pair.status(deb1)
    assert "autoactivation" in remarks(status, "disk#1") and status["overall"] == "warn", status
    assert not pair.start(deb1)["failed"]
    assert deb1.look()["vgs"]["vgpair"]["autoactivation"] is False
