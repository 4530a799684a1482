# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts that fail at each resource take back exactly what they did; optional, standby and parallel resources."""

from __future__ import annotations

import os
from typing import Any, Callable

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.tests.disks import replaced
from ansible_collections.dockyard.svc.tests.support import container, run
from ansible_collections.dockyard.svc.tests.whole import Whole, commands, fails, make_whole, refused, template, whole
from ansible_collections.dockyard.svc.tests.wire import ip, mac, network, wire

__all__ = ["make_whole", "template", "whole", "wire"]
Make = Callable[..., Whole]
pytestmark = pytest.mark.usefixtures("long_settle")
BROKEN = container(command=["sh", "-c", "echo no luck today; exit 3"], stop_timeout=3)
NO_IMAGE = container(image="localhost:1/nosuch", image_archive=None)


def break_superblock(file: str) -> None:
    """An ext4 whose superblock and its copies are gone."""
    run("dd", "if=/dev/zero", "of=" + file, "bs=1M", "count=1", "conv=notrunc")
    run("sh", "-c", "printf '\\123\\357' | dd of=%s bs=1 seek=1080 conv=notrunc" % file)  # the magic number of ext4


def only(whole: Whole, *rids: str) -> None:
    """Exactly these resources are up."""
    assert sorted(rid for rid, is_there in whole.there().items() if is_there) == sorted(rids)


@pytest.mark.parametrize("section", [BROKEN, NO_IMAGE], ids=["ends at once", "has no image"])
def test_the_last_container(whole: Whole, section: dict[str, Any]) -> None:
    """All is taken back, newest first: containers, daemon, inner, outer file system, disks, address."""
    before = network()
    outcome = fails(whole.changed(**{"container#1": section}), "started", "container#1: ")
    if outcome["commands"]:
        assert "taken back: container#0, docker daemon, fs#2, fs#1, disk#2, disk#1, ip#1" in outcome["msg"]
    if section is BROKEN:
        assert "exit code 3" in outcome["msg"] and "no luck today" in outcome["msg"]
    ran = commands(outcome)[-7:]
    down = [
        line for line in ran if line.startswith(("umount", "losetup --detach", "ip address delete", "ip address del"))
    ]
    assert [line.split()[0] for line in down] == ["umount", "umount", "losetup", "losetup", "ip"], ran
    assert down[0].endswith(whole.inner) and down[1].endswith(whole.outer)
    assert whole.remains() == [] and network() == before
    assert whole.start()["status"]["overall"] == "up"


def test_what_was_up_before_stays_up(whole: Whole) -> None:
    """Address and disks were started alone: only what came after them goes."""
    whole.start(rid="ip,disk#1")
    broken = whole.changed(**{"container#1": BROKEN})
    outcome = fails(broken, "started", "taken back: container#0, docker daemon, fs#2, fs#1, disk#2")
    assert not any("ip address" in line for line in commands(outcome))
    only(whole, "ip#1", "disk#1")
    whole.start(rid="ip,disk,fs,container#0")
    pid = whole.container_pid(0)
    fails(broken, "started", "nothing had been changed", "container#1")
    only(whole, "ip#1", "disk#1", "disk#2", "fs#1", "fs#2", "daemon", "container#0")
    assert whole.container_pid(0) == pid


def test_what_goes_down_again_before_the_start_ends(whole: Whole) -> None:
    """The second container has ended the first one: the start has failed."""
    waits = "while test ! -e /data/end; do sleep 0.05; done; exit 1"
    ends = "touch /data/end; trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"
    volume = {"volume_mounts": whole.outer + "/volume:/data", "stop_timeout": 3}
    pair = [container(command=["sh", "-c", script], **volume) for script in (waits, ends)]
    mortal = whole.changed(**{"container#0": pair[0], "container#1": pair[1]})
    fails(mortal, "started", "container#0: ", "code 1", "taken back: container#1")
    assert whole.remains() == []


def test_an_optional_container_that_another_one_requires(whole: Whole) -> None:
    """It ends after a moment: what requires it is not started, and nothing else is taken back."""
    brief = container(command=["sh", "-c", "sleep 0.1; exit 3"], optional=True, stop_timeout=3)
    outcome = whole.changed(**{"container#0": brief, "container#1": {**container(), "start_requires": "container#0"}})
    result = fails(outcome, "started", "container#1: start_requires wants container#0 to be up")
    assert "taken back: " in result["msg"]
    assert whole.remains() == []


def test_a_container_that_another_one_requires(whole: Whole) -> None:
    """It is watched to the end before the other one starts."""
    changed = whole.changed(**{"container#0": BROKEN, "container#1": {**container(), "start_requires": "container#0"}})
    outcome = fails(changed, "started", "container#0: ", "no luck today")
    assert "taken back: docker daemon" in outcome["msg"]
    assert whole.remains() == []


def test_without_rollback(whole: Whole) -> None:
    """What was started stays, and the failure says so; a stop takes it away."""
    fails(whole.changed(rollback=False, **{"container#1": BROKEN}), "started", "what was started stays")
    only(whole, "ip#1", "disk#1", "disk#2", "fs#1", "fs#2", "daemon", "container#0")
    whole.stop()
    assert whole.remains() == []


def test_what_cannot_be_taken_back(whole: Whole) -> None:
    """It is named, and nothing that it stands on is taken away."""
    with replaced("umount", 'case "$*" in *inner*) echo no way >&2; exit 32;; esac; exec $REAL "$@"'):
        broken = whole.changed(
            **{"container#1": BROKEN, "fs#2": {**whole.sections()["fs#2"], "umount_timeout": "200ms"}}
        )
        fails(broken, "started", "taken back: container#0, docker daemon; NOT taken back: fs#2", "no way")
        only(whole, "ip#1", "disk#1", "disk#2", "fs#1", "fs#2")
    whole.stop()
    assert whole.remains() == []


def test_a_file_system_with_a_broken_superblock(whole: Whole) -> None:
    """The check fails, and what came before is taken back."""
    break_superblock(whole.files[1])
    fails(whole, "started", "fs#2: ", "taken back: fs#1, disk#2, disk#1, ip#1")
    assert whole.remains() == []


def test_a_disk_that_is_missing(whole: Whole) -> None:
    """It is noticed before the first change."""
    os.rename(whole.files[1], whole.files[1] + ".away")
    refused(whole, "started", "disk#2: there is no file " + whole.files[1])
    assert whole.remains() == []


def test_f50_an_address_in_use(whole: Whole) -> None:
    """It is noticed before the first change, whatever comes after it in the order."""
    ip("address", "add", whole.address + "/24", "dev", "v1", peer=True)
    refused(whole, "started", "ip#1: ", "another node", mac("v1", peer=True))
    assert whole.remains() == []
    fails(whole, "started", "another node", rid="ip,disk")
    assert whole.remains() == []


# Optional


def test_optional_resources_that_fail(make_whole: Make) -> None:
    """The service is up without them, and says so."""
    whole = make_whole()
    ip("address", "add", "10.9.0.200/24", "dev", "v1", peer=True)
    run("truncate", "--size", "8M", whole.folder + "/third.img")
    whole = whole.changed(
        **{
            "ip#2": {"ipname": "10.9.0.200", "ipdev": "v0", "optional": True},
            "disk#3": {"type": "loop", "file": whole.folder + "/third.img"},
            "fs#3": {
                "type": "ext4",
                "dev": whole.folder + "/third.img",
                "mnt": whole.folder + "/third",
                "optional": True,
            },
            "container#2": {**BROKEN, "optional": True},
            "container#3": container(volume_mounts=whole.folder + "/third:/data", optional=True, stop_timeout=3),
        }
    )
    outcome = whole.start()
    states = {rid: resource["state"] for rid, resource in outcome["status"]["resources"].items()}
    assert {rid for rid, state in states.items() if state != "up"} == {"ip#2", "fs#3", "container#2", "container#3"}
    assert outcome["status"]["avail"] == "up"
    remarks = "; ".join(line["text"] for line in outcome["log"])
    for rid in ("ip#2", "fs#3", "container#2"):
        assert "does not count (%s: " % rid in remarks, remarks
    assert "container#3: needs fs#3" in remarks
    assert os.listdir(whole.folder + "/third") == [] if os.path.exists(whole.folder + "/third") else True
    whole.truthful()
    whole.stop()
    assert whole.remains() == []


def test_what_stands_on_an_optional_one_that_failed(make_whole: Make) -> None:
    """A container that counts is not started without its volume, and the start is taken back."""
    whole = make_whole()
    break_superblock(whole.files[0])
    fs = {**whole.sections()["fs#1"], "optional": True}
    other = {**whole.sections()["fs#2"], "mnt": whole.folder + "/inner"}
    whole = whole.changed(docker_data_dir=whole.folder + "/inner/docker", **{"fs#1": fs, "fs#2": other})
    whole.inner = whole.folder + "/inner"
    outcome = fails(whole, "started", "container#0: needs fs#1", "taken back: ")
    assert not any("docker --host" in line for line in commands(outcome))
    assert whole.remains() == []


# Standby


def test_standby_resources_stay_up(make_whole: Make) -> None:
    """A stop leaves them, the status says stdby up, and nothing is said to be released of them."""
    whole = make_whole()
    sections = whole.sections()
    standby = {rid: {**sections[rid], "standby": True} for rid in ("disk#1", "fs#1")}
    whole = whole.changed(**standby)
    whole.start()
    assert whole.status()["overall"] == "up"
    outcome = whole.stop()
    only(whole, "disk#1", "fs#1")
    states = {rid: resource["state"] for rid, resource in outcome["status"]["resources"].items()}
    assert states["disk#1"] == states["fs#1"] == "stdby up" and states["disk#2"] == "down"
    assert outcome["status"]["avail"] == "stdby up"
    assert not set(outcome["evidence"]) & {"disk#1", "fs#1"}
    fails(whole.changed(**standby, **{"container#2": BROKEN}), "started", "taken back: container#1, container#0")
    only(whole, "disk#1", "fs#1")
    assert whole.start()["status"]["overall"] == "up"
    whole.stop()
    with pytest.raises(DefinitionError, match="fs#1 is standby and stands on disk#1, which is not"):
        whole.changed(**{"fs#1": standby["fs#1"]})
    whole.changed().stop()
    assert whole.remains() == []


# Side by side


@pytest.mark.parametrize("group", ["disk", "fs", "container"])
def test_one_of_a_parallel_subset_fails(make_whole: Make, group: str) -> None:
    """The others come to their end, and are taken back, too; a stop side by side works as well."""
    whole = make_whole()
    sections = whole.sections()
    sections["fs#2"]["mnt"] = whole.folder + "/inner"
    sections["docker_data_dir"] = whole.folder + "/inner/docker"
    pair = [rid for rid in sections if rid.startswith(group + "#")]
    for rid in pair:
        sections[rid]["subset"] = "both"
    sections["subset#%s:both" % group] = {"parallel": True}
    good = whole.changed(**sections)
    good.inner = whole.folder + "/inner"
    if group == "disk":
        with replaced("losetup", 'case "$*" in *--find*inner*) exit 1;; esac; exec $REAL "$@"'):
            outcome = fails(good, "started", "disk#2: ", "taken back: disk#1, ip#1")
    elif group == "fs":
        with replaced(
            "e2fsck", 'sleep 0.3; case "$($(command -v losetup) $2)" in *inner*) exit 4;; esac; exec $REAL "$@"'
        ):
            outcome = fails(good, "started", "fs#2: ", "taken back: fs#2, fs#1, disk#2, disk#1, ip#1")
    else:
        bad = good.changed(**{**sections, "container#1": {**BROKEN, "subset": "both"}})
        bad.inner = good.inner
        outcome = fails(bad, "started", "container#1: ", "taken back: container#0, docker daemon, fs#2, fs#1")
    assert good.remains() == [], outcome["msg"]
    good.start()
    assert good.truthful()["overall"] == "up"
    good.stop()
    assert good.remains() == []
