# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Every keyword of a definition, declared once.

The declaration gives the conversion and the check of a value, the nearest-name suggestion, the defaults that the
drivers see, and the keyword reference in `docs/keywords.md`.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from .types import (
    BOOLEAN,
    DURATION,
    GROUP_NAME,
    ITEMS,
    OPTIONS,
    PATH,
    PATHS,
    QUOTED_WORD,
    REQUIREMENTS,
    SIZE,
    STRING,
    SUBNET,
    TEXT,
    VARIABLES,
    WORD,
    WORDS,
    Type,
)

GROUPS = ("ip", "disk", "fs", "container")
"""The groups of resources in the order of a start; a stop runs them backwards."""

OLD_IMPLIES: Dict[str, Dict[str, Any]] = {"run_image": {"interactive": True, "tty": True}}
"""What an old keyword name meant besides: a container of `run_image` was run with `-t -i -d`. What is written counts more."""


@dataclass(frozen=True)
class Keyword:
    """One keyword.

    `old` names are accepted and mean the same. `scoped` keywords may be written `name@node`. A `secret` value is never
    shown. `ignored` keywords are accepted for the sake of older definitions and do nothing.
    """

    name: str
    type: Type
    help: str
    default: Any = None
    old: Tuple[str, ...] = ()
    choices: Tuple[str, ...] = ()
    required: bool = False
    scoped: bool = True
    secret: bool = False
    ignored: bool = False


class Table:
    """The keywords that one kind of section knows."""

    def __init__(self, keywords: Tuple[Keyword, ...]):
        self.keywords = {keyword.name: keyword for keyword in keywords}
        self._names = dict(self.keywords)
        self._names.update({old: keyword for keyword in keywords for old in keyword.old})

    def find(self, name: str) -> Optional[Keyword]:
        """The keyword with this name, current or old."""
        return self._names.get(name)

    def names(self) -> List[str]:
        """Every accepted name, for the nearest-name suggestion."""
        return sorted(self._names)

    def defaults(self) -> Dict[str, Any]:
        """What a section holds for the keywords it does not give."""
        return {keyword.name: copy(keyword.default) for keyword in self.keywords.values() if not keyword.ignored}


DEFAULT = Table(
    (
        Keyword("id", WORD, "The identity of the service. By default derived from the service path.", scoped=False),
        Keyword(
            "env",
            WORD,
            "The environment the service belongs to, such as C(PRD), C(TST) or C(DEV).",
            default="TST",
            old=("service_type",),
        ),
        Keyword("app", WORD, "The code of the application that the service belongs to.", default="default"),
        Keyword("comment", TEXT, "Free text for people."),
        Keyword(
            "nodes",
            ITEMS,
            "The nodes where the service may run, by inventory host name. By default every host of the play.",
            scoped=False,
        ),
        Keyword("drpnodes", ITEMS, "The nodes of the disaster recovery site where the service may run.", scoped=False),
        Keyword("disable", BOOLEAN, "Leave every resource of the service alone and report C(n/a).", default=False),
        Keyword(
            "lock_timeout", DURATION, "How long an action waits for another action on the same service.", default=60.0
        ),
        Keyword("rollback", BOOLEAN, "Undo what a failed start has changed.", default=True),
        Keyword(
            "docker_data_dir",
            PATH,
            "The data root of the service's private Docker daemon. Without it the containers run in the node's own daemon, "
            "which is never started or stopped.",
            old=("container_data_dir",),
        ),
        Keyword(
            "docker_daemon_args",
            WORDS,
            "More arguments for the private daemon, a list or a shell-like text.",
            default=(),
        ),
        Keyword(
            "docker_socket_group",
            GROUP_NAME,
            "The Unix group that may use the private daemon's socket. Its members are as good as root on the node.",
            default="root",
        ),
        Keyword(
            "docker_subnet",
            SUBNET,
            "The network of the private daemon: the lower half for the service's bridge, the upper half for networks that "
            "are made with C(docker network create). By default a free /24 of the node's pool.",
        ),
        Keyword("docker_start_timeout", DURATION, "How long the private daemon may take to answer.", default=60.0),
        Keyword(
            "docker_stop_timeout",
            DURATION,
            "How long the private daemon may take to end, counted from the moment its last container has stopped.",
            default=20.0,
        ),
        Keyword("mode", TEXT, "Accepted from older definitions.", ignored=True),
        Keyword(
            "autostart_node",
            TEXT,
            "Accepted from older definitions: nothing starts a service but an action.",
            ignored=True,
        ),
    )
)

_REQUIRES = (
    "Other resources, and their states, without which %s of the resource is refused, such as C(fs#1 ip#0(down,stdby down)). "
    "Without states C(up) or C(stdby up) is meant."
)

EVERY_RESOURCE = (
    Keyword("comment", TEXT, "Free text for people."),
    Keyword("disable", BOOLEAN, "Leave the resource alone and report C(n/a).", default=False),
    Keyword(
        "optional",
        BOOLEAN,
        "Go on when an action on the resource fails; its status counts in C(overall), not in C(avail).",
        default=False,
    ),
    Keyword("monitor", BOOLEAN, "Mark the resource for monitoring: flag C(M) of the status.", default=False),
    Keyword(
        "standby",
        BOOLEAN,
        "Leave the resource up when the service stops. What it stands on must be standby, too.",
        default=False,
        old=("always_on",),
    ),
    Keyword("subset", WORD, "Order inside the group: resources without a subset first, then the subsets by name."),
    Keyword(
        "tags", ITEMS, "Words of your own. C(noaction) keeps actions away, C(nostatus) reports C(n/a).", default=()
    ),
    Keyword("start_requires", REQUIREMENTS, _REQUIRES % "a start", default=()),
    Keyword("stop_requires", REQUIREMENTS, _REQUIRES % "a stop", default=()),
    Keyword("provision_requires", REQUIREMENTS, _REQUIRES % "provisioning", default=()),
    Keyword("unprovision_requires", REQUIREMENTS, _REQUIRES % "unprovisioning", default=()),
)
"""The keywords of every type of resource."""

CONTAINER_DOCKER = Table(
    (
        Keyword("type", WORD, "The driver.", default="docker", choices=("docker",), scoped=False),
        Keyword(
            "image", QUOTED_WORD, "The image: a name, name:tag, name@digest or id.", required=True, old=("run_image",)
        ),
        Keyword(
            "image_archive",
            PATH,
            "A file on the node that is loaded when the image is missing: a C(docker save) archive, or the plain tar of a root "
            "file system, which is imported under the name in C(image).",
        ),
        Keyword(
            "image_pull_policy",
            WORD,
            "Pull the image when it is missing (C(once)), before each start, or never.",
            default="once",
            choices=("once", "always", "never"),
        ),
        Keyword("command", WORDS, "The command to run instead of the image's own.", default=(), old=("run_command",)),
        Keyword("entrypoint", STRING, "The entry point to run instead of the image's own."),
        Keyword("run_args", OPTIONS, "More options for C(docker run), a list or a shell-like text.", default=()),
        Keyword("rm", BOOLEAN, "Remove the container, and what it wrote, when it is stopped.", default=False),
        Keyword(
            "netns",
            STRING,
            "The network: C(none), C(host), C(bridge) for the service's own bridge, or C(container#N) for the network of "
            "another container of the service. By default C(bridge) when C(run_args) publish a port, else C(none).",
            old=("net",),
        ),
        Keyword("hostname", WORD, "The host name inside the container."),
        Keyword(
            "user",
            QUOTED_WORD,
            "The user, and group, that the command runs as; numbers in quotes, such as C('1000:50').",
        ),
        Keyword("privileged", BOOLEAN, "Give the container every right on the node."),
        Keyword("interactive", BOOLEAN, "Keep standard input open."),
        Keyword("tty", BOOLEAN, "Allocate a terminal."),
        Keyword(
            "environment", VARIABLES, "Environment variables: a mapping, or words of the form NAME=value.", default={}
        ),
        Keyword(
            "secrets",
            VARIABLES,
            "Environment variables whose values never appear in commands, logs or results. Who may use the socket can "
            "read them.",
            default={},
            secret=True,
        ),
        Keyword(
            "volume_mounts",
            WORDS,
            "Volumes, each C(source:destination[:options]); a source is a path on the node or a volume name.",
            default=(),
        ),
        Keyword("devices", WORDS, "Devices of the node, each C(/dev/path[:/dev/path[:rwm]]).", default=()),
        Keyword("pull_timeout", DURATION, "How long a pull or load of the image may take.", default=120.0),
        Keyword(
            "start_timeout",
            DURATION,
            "How long the container may take to be up. By default 5 seconds, or what its health check needs to fail.",
        ),
        Keyword("stop_timeout", DURATION, "How long the container may take to end before it is killed.", default=10.0),
    )
    + EVERY_RESOURCE
)

_SHARED = Keyword(
    "shared",
    BOOLEAN,
    "Other nodes see the same storage, so that it must be guarded against them. By default true when C(nodes) has more "
    "than one node.",
)

IP_HOST = Table(
    (
        Keyword("type", WORD, "The driver.", default="host", choices=("host",), scoped=False),
        Keyword(
            "ipname",
            WORD,
            "The address, IPv4 or IPv6, or a name that the node resolves to it.",
            required=True,
            old=("name",),
        ),
        Keyword(
            "ipdev",
            WORD,
            "The network interface. C(eth0:3) means C(eth0) with that label.",
            required=True,
            old=("dev",),
        ),
        Keyword(
            "netmask",
            WORD,
            "The prefix length, or an IPv4 netmask. By default that of the interface's network which holds the address.",
        ),
        Keyword(
            "gateway",
            WORD,
            "The way out for packets from the address. It goes into a routing table of the service's own; the node's routes "
            "stay as they are.",
        ),
        Keyword(
            "label",
            WORD,
            "The label of an IPv4 address: at most 15 characters, beginning with the interface, such as C(eth0:svc1).",
        ),
    )
    + EVERY_RESOURCE
)

DISK_VG = Table(
    (
        Keyword("type", WORD, "The driver.", choices=("vg", "lv", "loop"), required=True, scoped=False),
        Keyword("name", WORD, "The volume group.", required=True, old=("vgname",)),
        Keyword(
            "known_tags",
            ITEMS,
            "Tags on the volume group that are no names of nodes. Any other tag could be the mark of the node that uses the "
            "group, so that a start is refused. Tags with one of C(_=/!:&#) in them are never taken for nodes.",
            default=(),
        ),
        _SHARED,
        Keyword(
            "pvs", PATHS, "The physical volumes, for provisioning: devices, or files of loop resources.", default=()
        ),
        Keyword("options", WORDS, "More options for C(vgcreate).", default=()),
    )
    + EVERY_RESOURCE
)

DISK_LV = Table(
    (
        DISK_VG.keywords["type"],
        Keyword("name", WORD, "The logical volume.", required=True),
        Keyword("vg", WORD, "The volume group.", required=True, old=("vgname",)),
        Keyword("size", STRING, "The size, for provisioning: such as C(10g), or C(50%FREE), C(80%VG), C(100%PVS)."),
        Keyword("create_options", WORDS, "More options for C(lvcreate).", default=()),
    )
    + EVERY_RESOURCE
)

DISK_LOOP = Table(
    (
        DISK_VG.keywords["type"],
        Keyword("file", PATH, "The file behind the loop device.", required=True),
        Keyword("size", SIZE, "The size in bytes, for provisioning."),
    )
    + EVERY_RESOURCE
)

FS = Table(
    (
        Keyword(
            "type",
            WORD,
            "The type of the file system.",
            required=True,
            choices=("ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "bind", "nfs", "nfs4"),
            scoped=False,
        ),
        Keyword(
            "dev",
            STRING,
            "The device: a path, C(UUID=...), C(LABEL=...), or the file of a loop resource. For C(bind) the folder, for "
            "C(nfs) C(server:/path); C(tmpfs) needs none.",
        ),
        Keyword("mnt", PATH, "The mount point.", required=True),
        Keyword("mnt_opt", STRING, "The mount options, separated by commas.", old=("mnt_opts",)),
        _SHARED,
        Keyword("size", SIZE, "The size in bytes of a C(tmpfs), or of the logical volume that provisioning makes."),
        Keyword(
            "vg", WORD, "The volume group in which provisioning makes the logical volume C(dev), when it is not there."
        ),
        Keyword("mkfs_opt", WORDS, "More options for C(mkfs), for provisioning.", default=()),
        Keyword(
            "check_timeout", DURATION, "How long the check of the file system before its mount may take.", default=600.0
        ),
        Keyword("mount_timeout", DURATION, "How long a mount may take; the journal is replayed in it.", default=120.0),
        Keyword("umount_timeout", DURATION, "How long to wait for those who still use the file system.", default=10.0),
        Keyword("stat_timeout", DURATION, "How long a look at the file system may take.", default=5.0),
        Keyword("user", WORD, "The owner of the root folder of the file system."),
        Keyword("group", GROUP_NAME, "The group of the root folder of the file system."),
        Keyword(
            "perm", QUOTED_WORD, "The mode of the root folder of the file system, in octal and in quotes: C('0750')."
        ),
    )
    + EVERY_RESOURCE
)

SUBSET = Table(
    (Keyword("parallel", BOOLEAN, "Run the resources of the subset side by side.", default=False, scoped=False),)
)

RESOURCES: Dict[str, Dict[str, Table]] = {
    "ip": {"host": IP_HOST},
    "disk": {"vg": DISK_VG, "lv": DISK_LV, "loop": DISK_LOOP},
    "fs": dict.fromkeys(FS.keywords["type"].choices, FS),
    "container": {"docker": CONTAINER_DOCKER},
}
"""The table of each type of resource, by group and type. The first type of `ip` and `container` is their default."""
