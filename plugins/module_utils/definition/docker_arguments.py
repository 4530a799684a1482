# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""Arguments for Docker that users write, and those among them that would take a service apart.

Sources of the option tables: dockerd(8) and docker-run(1).
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Set, Tuple

from .errors import nearest, quoted
from .model import ResourceDefinition

_OWN = "the service sets it itself"
_DAEMON: Dict[str, str] = {
    "--host": "the daemon listens on the service's own socket and nowhere else",
    "--hosts": "the daemon listens on the service's own socket and nowhere else",
    "--live-restore": "containers would outlive a daemon that was stopped, and the service would be reported as stopped",
    "--metrics-addr": "the daemon must not listen on a tcp socket",
    "--tls": "the daemon must not listen on a tcp socket",
    "--tlsverify": "the daemon must not listen on a tcp socket",
    "--config-file": "the daemon has a configuration file of its own, so that the node's daemon.json cannot leak into it",
    "--containerd": "the daemon runs its own containerd; a shared one would tie the services together",
    "--bridge": "the service has a bridge of its own, or none",
    "--bip": "the service has a bridge of its own: set its network with docker_subnet",
    "--bip6": "the service has a bridge of its own: set its network with docker_subnet",
    "--fixed-cidr-v6": "the service has a network of its own: set it with docker_subnet",
    "--fixed-cidr": "the service has a network of its own: set it with docker_subnet",
    "--default-address-pool": "the service has a network of its own: set it with docker_subnet",
    "--iptables": "the daemons of a node must not touch the shared chains",
    "--ip6tables": "the daemons of a node must not touch the shared chains",
    "--firewall-backend": "the daemons of a node must not touch the shared chains",
    "--ip-forward-no-drop": "the daemons of a node must not touch the shared chains",
    "--userland-proxy": "published ports go through the daemon's proxy",
    "--userland-proxy-path": "published ports go through the daemon's proxy",
    "--ip-forward": "forwarding is a setting of the node",
    "--ip-masq": "the service has an nftables table of its own",
    "--data-root": "it is the keyword docker_data_dir",
    "--graph": "it is the keyword docker_data_dir",
    "--group": "it is the keyword docker_socket_group",
    "--shutdown-timeout": "it is computed from the stop_timeout of the containers",
    "--exec-root": _OWN,
    "--pidfile": _OWN,
    "--cgroup-parent": _OWN,
    "--swarm-default-advertise-addr": "a private daemon is no swarm node",
    "--validate": "the daemon would not run",
    "--version": "the daemon would not run",
    "--help": "the daemon would not run",
}
_DAEMON_OPTION = re.compile(r"--[a-z][a-z0-9-]*")
_DAEMON_SHORT_ALLOWED = {"-D": 0, "-l": 1, "-s": 1}

_ADDRESS = re.compile(r"\s*(tcp|fd|unix|npipe)://", re.IGNORECASE)

_RUN_SHORT = {
    "a": "attach", "c": "cpu-shares", "d": "detach", "e": "env", "h": "hostname", "i": "interactive", "l": "label",
    "m": "memory", "p": "publish", "P": "publish-all", "q": "quiet", "t": "tty", "u": "user", "v": "volume", "w": "workdir",
}  # fmt: skip
_RUN_BOOLEAN = {
    "detach", "disable-content-trust", "help", "init", "interactive", "no-healthcheck", "oom-kill-disable", "privileged",
    "publish-all", "quiet", "read-only", "rm", "sig-proxy", "tty", "use-api-socket",
}  # fmt: skip
_RUN_WITH_VALUE = frozenset(
    """
    add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count
    cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach-keys device
    device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops dns dns-opt dns-option dns-search
    domainname entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries
    health-start-interval health-start-period health-timeout hostname io-maxbandwidth io-maxiops ip ip6 ipc isolation
    kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap
    memory-swappiness mount name net net-alias network network-alias oom-score-adj pid pids-limit platform publish pull
    restart runtime security-opt shm-size stop-signal stop-timeout storage-opt sysctl tmpfs ulimit user userns uts volume
    volume-driver volumes-from workdir
    """.split()
)
_RUN_NAME = re.compile(r"[a-z][a-z0-9-]*")
_RUN_REFUSED = {
    "name": "the name of the container tells which service and resource it is",
    "restart": "the service decides when and in which order its containers start",
    "detach": "the service always runs its containers detached",
    "rm": "write rm: true, so that the container is removed after it was stopped",
    "attach": "the service always runs its containers detached",
    "detach-keys": "the service always runs its containers detached",
    "sig-proxy": "the service always runs its containers detached",
    "cidfile": "the service records the id of the container itself",
    "cgroup-parent": "the service's control group is how its processes are known",
    "pull": "write image_pull_policy",
    "help": "the container would not run",
}
_RUN_KEYWORDS = {
    "network": "netns", "net": "netns", "hostname": "hostname", "entrypoint": "entrypoint", "user": "user",
    "privileged": "privileged", "interactive": "interactive", "tty": "tty", "stop-timeout": "stop_timeout",
}  # fmt: skip
_LABELS = "dockyard.svc."
_VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
_VOLUME_OPTIONS = {"ro", "rw", "z", "Z", "nocopy", "shared", "rshared", "slave", "rslave", "private", "rprivate"}
_DEVICE_RIGHTS = re.compile(r"[rwm]{1,3}")
_SYSTEM_FOLDERS = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr",
    "/var/lib/containerd", "/var/lib/docker",
)  # fmt: skip
_CLIENT_VARIABLE = re.compile(
    r"(?i)(DOCKER_|LD_|GO(DEBUG|GC|MAXPROCS|MEMLIMIT|TRACEBACK|COVERDIR)$|BUILDKIT_|PATH$|HOME$|TMPDIR$|LC_|LANG$|([A-Z]*_)?PROXY$)"
)


def daemon_refusals(words: Iterable[str]) -> Iterator[str]:
    """What is wrong with the daemon arguments of a service, one sentence each.

    A word counts as an option wherever it stands: the value of an option cannot hide another one.
    """
    previous_takes_value = False
    for word in words:
        option = word.partition("=")[0]
        if not word.isprintable():
            yield "%s holds a line break or a control character" % quoted(word)
        elif option.startswith("--"):
            if not _DAEMON_OPTION.fullmatch(option):
                yield "%s is not an option%s" % (quoted(word), _two_items(word))
            elif option in _DAEMON or option.startswith(("--tls", "--cluster-")):
                yield "%s is refused: %s" % (option, _DAEMON.get(option, "the daemon must not listen on a tcp socket"))
            if _ADDRESS.match(word.partition("=")[2]):
                yield "%s is refused: %s" % (quoted(word), _DAEMON["--host"])
            if option == "--exec-opt" and "native.cgroupdriver" in word.lower():
                yield "native.cgroupdriver is refused: %s" % _OWN
            previous_takes_value = "=" not in word
        elif option.startswith("-"):
            if option not in _DAEMON_SHORT_ALLOWED:
                yield "%s is refused: write the long form of the option" % quoted(word)
            previous_takes_value = "=" not in word and bool(_DAEMON_SHORT_ALLOWED.get(option))
        else:
            if not previous_takes_value:
                yield "%s is not an option" % quoted(word)
            if _ADDRESS.match(word):
                yield "%s is refused: %s" % (quoted(word), _DAEMON["--host"])
            if word.strip().lower().startswith("native.cgroupdriver"):
                yield "native.cgroupdriver is refused: %s" % _OWN
            previous_takes_value = False


def run_options(words: Iterable[str]) -> List[Tuple[str, str]]:
    """The options in `docker run` arguments, as (long name, value).

    Raises ValueError when they cannot be read as options, for example for a word that docker would take for the image.
    Whether the next word is the value of an option is known for the options of docker 20 to 28; a newer one must be
    written --option=value, so that nothing can be hidden behind it.
    """
    options: List[Tuple[str, str]] = []
    pending = ""
    for word in words:
        if pending:
            options.append((pending, word))
            pending = ""
        elif word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            if not _RUN_NAME.fullmatch(name) or not (equals or name in _RUN_BOOLEAN or name in _RUN_WITH_VALUE):
                if _two_items(word):
                    raise ValueError("%s is no option%s" % (quoted(word), _two_items(word)))
                hint = nearest(name, [*_RUN_BOOLEAN, *_RUN_WITH_VALUE])
                raise ValueError(
                    "%s is not a known option of docker run%s; a new one is written --option=value"
                    % (quoted(word), hint)
                )
            if equals or name in _RUN_BOOLEAN:
                options.append((name, value))
            else:
                pending = name
        elif word.startswith("-") and len(word) > 1 and word != "--":
            pending = _short_options(word, options)
        else:
            raise ValueError("%s is no option: docker would take it for the image" % quoted(word))
    if pending:
        raise ValueError("--%s has no value: docker would take the next word for it" % pending)
    return options


def _two_items(word: str) -> str:
    """A hint for an option and its value in one item of a list, which only a shell would have split."""
    option, space, value = word.partition(" ")
    if not space or "=" in option:
        return ""
    return ": give %s and %s as two items" % (quoted(option), quoted(value.strip()))


def _short_options(word: str, options: List[Tuple[str, str]]) -> str:
    """Read a cluster such as -it or -p8080:80; returns the option whose value is the next word, or an empty string."""
    letters = word[1:]
    for position, letter in enumerate(letters):
        name = _RUN_SHORT.get(letter)
        if name is None:
            raise ValueError("-%s in %s is not an option of docker run" % (letter, quoted(word)))
        if name in _RUN_BOOLEAN:
            options.append((name, ""))
            continue
        value = letters[position + 1 :]
        if not value:
            return name
        if value.startswith(" "):
            raise ValueError("%s is no option%s" % (quoted(word), _two_items(word)))
        options.append((name, value[1:] if value.startswith("=") else value))
        break
    return ""


def container_refusals(resource: ResourceDefinition, rids: Set[str]) -> Iterator[Tuple[str, str]]:
    """What is wrong with the docker options of a container section, as (keyword, sentence)."""
    values = resource.values
    try:
        options = run_options(values["run_args"])
    except ValueError as error:
        yield "run_args", str(error)
        options = []
    for name, value in options:
        keyword = _RUN_KEYWORDS.get(name)
        if name in _RUN_REFUSED:
            yield "run_args", "--%s is refused: %s" % (name, _RUN_REFUSED[name])
        elif keyword and keyword in resource.given:
            yield "run_args", "--%s is refused: the keyword %s says it already" % (name, keyword)
        elif name in ("label", "label-file") and (name == "label-file" or value.strip().startswith(_LABELS)):
            yield "run_args", "labels %s* are refused: they tell which service and resource the container is" % _LABELS
        elif name in ("network", "net") and value.startswith("container#"):
            yield (
                "run_args",
                "--%s=%s is refused: write netns: %s" % (name, quoted(value).strip("'"), quoted(value).strip("'")),
            )
    netns = values["netns"] or ""
    if netns.startswith("container#"):
        if netns not in rids or netns == resource.rid:
            yield "netns", "%s is not another container of the service" % quoted(netns)
    elif netns and netns not in ("none", "host", "bridge"):
        yield "netns", "%s is not one of none, host, bridge, container#N" % quoted(netns)
    for name in values["secrets"]:
        if _CLIENT_VARIABLE.match(name):
            yield "secrets", "%s would change the docker command itself: write it in environment" % name
        if name in values["environment"]:
            yield "secrets", "%s is in environment, too" % name
    yield from _mount_refusals(values["volume_mounts"], options)
    for device in values["devices"]:
        if not _is_device(device):
            yield "devices", "%s must be /dev/path[:/dev/path[:rwm]]" % quoted(device)


def _mount_refusals(volumes: Iterable[str], options: Iterable[Tuple[str, str]]) -> Iterator[Tuple[str, str]]:
    """What is wrong with the mounts of a container; no two of them have one destination, wherever they are written."""
    destinations: Set[str] = set()
    for volume in volumes:
        source, _colon, rest = volume.partition(":")
        destination, _colon, modes = rest.partition(":")
        known = not modes or set(modes.split(",")) <= _VOLUME_OPTIONS
        if not (_is_path(source) or _VOLUME_NAME.fullmatch(source)) or not _is_path(destination) or not known:
            yield "volume_mounts", "%s must be source:/destination[:options]" % quoted(volume)
        elif posixpath.normpath(destination) in destinations:
            yield "volume_mounts", "%s is mounted twice" % quoted(destination)
        else:
            destinations.add(posixpath.normpath(destination))
    for name, value in options:
        destination = _destination(name, value)
        if ".." in re.split(r"[/:=,]", value) and name in ("volume", "mount", "tmpfs", "device"):
            yield "run_args", "%s must not hold the component .." % quoted(value)
        elif destination and posixpath.normpath(destination) in destinations:
            yield "run_args", "%s is mounted twice" % quoted(destination)
        elif destination:
            destinations.add(posixpath.normpath(destination))


def _destination(name: str, value: str) -> str:
    """Where an option of `docker run` mounts something in the container, or an empty string."""
    parts = value.split(":")
    if name == "volume":
        return parts[1] if len(parts) > 1 else parts[0]
    if name == "tmpfs":
        return parts[0]
    if name == "mount":
        fields = dict(field.partition("=")[::2] for field in value.split(","))
        return fields.get("destination") or fields.get("dst") or fields.get("target") or ""
    return ""


def _is_path(text: str) -> bool:
    return text.startswith("/") and text.isprintable() and not {".", ".."} & set(text.split("/"))


def _is_device(text: str) -> bool:
    parts = text.split(":")
    rights = parts.pop() if len(parts) > 1 and not parts[-1].startswith("/") else "rwm"
    return (
        len(parts) <= 2
        and parts[0].startswith("/dev/")
        and all(map(_is_path, parts))
        and bool(_DEVICE_RIGHTS.fullmatch(rights))
    )


def data_root_refusal(folder: str) -> str:
    """Why a folder cannot be the data root of a private daemon, or an empty string."""
    for system in _SYSTEM_FOLDERS:
        if (folder + "/").startswith(system + "/") or (system + "/").startswith(folder + "/"):
            return "%s is refused: %s belongs to the node; take for example /srv/{svcpath}/docker" % (folder, system)
    return ""


def network(netns: object, options: Iterable[Tuple[str, str]]) -> str:
    """The network of a container: the keyword, the run_args, or bridge where a port is published, else none."""
    if netns:
        return str(netns)
    names = {name for name, _value in options}
    for name, value in options:
        if name in ("network", "net"):
            fields = dict(field.partition("=")[::2] for field in value.split(","))
            return fields.get("name") or value
    return "bridge" if names & {"publish", "publish-all"} else "none"


def bind_sources(values: Mapping[str, Any]) -> List[str]:
    """The paths on the node that a container section mounts: those of `volume_mounts`, and of -v and --mount."""
    sources = [volume.partition(":")[0] for volume in values["volume_mounts"]]
    for name, value in run_options(values["run_args"]):
        if name == "volume" and ":" in value:
            sources.append(value.partition(":")[0])
        elif name == "mount":
            fields = dict(field.partition("=")[::2] for field in value.split(","))
            sources.append(fields.get("source") or fields.get("src") or "")
    return [posixpath.normpath(source) for source in sources if source.startswith("/")]
