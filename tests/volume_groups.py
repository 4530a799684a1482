# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services with volume groups and logical volumes, for tests on real LVM metadata.

The kernel of a test machine may have no device mapper. A group without volumes needs none: all but the activation itself
is shown with such groups. With volumes, the activation fails there, which shows how a start is taken back.

To be used inside tests/sandbox only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.dockyard.svc.tests.disks import Disks, new_name
from ansible_collections.dockyard.svc.tests.support import NODE, Service, run

RID = "disk#0"
METADATA_ONLY = ["--activate", "n", "--zero", "n", "--wipesignatures", "n", "--driverloaded", "n"]
"""Options with which lvcreate needs no device mapper."""
HAS_DEVICE_MAPPER = "device-mapper" in Path("/proc/devices").read_text(encoding="utf-8")
needs_no_device_mapper = pytest.mark.skipif(HAS_DEVICE_MAPPER, reason="activation works here")

MakeVg = Callable[..., Service]


@pytest.fixture
def disks(folder: Path) -> Iterator[Disks]:
    """Disks for LVM."""
    yield Disks(folder)
    Disks.show()


@pytest.fixture
def group(disks: Disks) -> str:
    """The name of a volume group on one disk, without volumes."""
    name = new_name()
    run("vgcreate", name, disks.add())
    return name


@pytest.fixture
def make_vg(make: Callable[..., Service]) -> MakeVg:
    """Makes a service of sections, without containers."""

    def one(*sections: dict[str, Any], **default: Any) -> Service:
        numbered = {"disk#%d" % index: section for index, section in enumerate(sections)}
        return make(**{"container#0": None, "docker_data_dir": None, **numbered, **default})

    return one


@pytest.fixture
def service(make_vg: MakeVg, group: str) -> Service:
    """A service with a volume group that other nodes see, too."""
    return make_vg({"type": "vg", "name": group}, nodes=[NODE, "node2"])


def add_volume(group: str, name: str = "lv0") -> None:
    """A volume of 8 MiB, by its metadata alone."""
    run("lvcreate", *METADATA_ONLY, "--name", name, "--size", "8m", group)


def refused(service: Service, *texts: str) -> None:
    """A start is refused with these words, before any change; restarts and provisions do no more."""
    outcome = service.act("started")
    assert outcome["failed"]
    assert not outcome["commands"]
    for text in texts:
        assert text in outcome["msg"]


@pytest.fixture
def volume(make_vg: MakeVg, group: str) -> Service:
    """A service with one logical volume in a group that it does not manage."""
    return make_vg({"type": "lv", "vg": group, "name": "data", "size": "8m", "create_options": METADATA_ONLY})
