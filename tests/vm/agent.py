# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node for as long as the tests do: one request a line on standard input, one answer a line on standard output.

It acts on services as the module `service` does, with the same engine, each time in a process of its own that can be
killed; and it looks at the node without the code under test. The nodes are emulated and slow: this way an action costs
what it does, not a new interpreter and a new connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all
from ansible_collections.dockyard.svc.plugins.module_utils.definition.selection import select_resources
from ansible_collections.dockyard.svc.plugins.module_utils.drivers import container, disk_vg, ip_host, mount
from ansible_collections.dockyard.svc.plugins.module_utils.engine import many
from ansible_collections.dockyard.svc.plugins.module_utils.node.docker_api import import_sdk
from ansible_collections.dockyard.svc.plugins.module_utils.node.machine import Directories, Host

NODE = os.uname().nodename
PRELOADED = (container, disk_vg, ip_host, mount)  # each action runs in a copy of this process
_children = {}
_holders = {}


def act(services, path, state, rid="", check=False, kill_at=0):
    """Bring a service into a state; the outcome, or None when it was killed before its change number `kill_at`."""
    return wait(begin(services, path, state, rid, check, kill_at))


def status(services, path):
    """The status of a service, as the module `service_info` returns it."""
    return wait(_fork(lambda: many.inspect(_parse(services, path), Host(Directories()))[path]))


def begin(services, path, state, rid="", check=False, kill_at=0):
    """Begin an action and return its process at once."""
    changes = []

    def step():
        changes.append(1)
        if len(changes) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def work():
        definitions = _parse(services, path)
        rids = select_resources(rid, definitions)
        return many.act(definitions, rids, Host(Directories()), state, check, None, step)[path]

    return _fork(work)


def wait(pid):
    """The outcome of an action that was begun."""
    with os.fdopen(_children.pop(pid)) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else None


def _parse(services, path):
    return {path: parse_all(services, NODE)[path]}


def _fork(work):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setsid()
            os.umask(0o022)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            answer = json.dumps(work())
            with os.fdopen(writing, "w") as stream:
                stream.write(answer)
            os._exit(0)
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os.close(writing)
    _children[pid] = reading
    return pid


def look():
    """What is true of the node: volume groups, logical volumes, mounts, addresses, Docker daemons."""
    groups = _report("vgs", "vg_name,vg_tags,vg_autoactivation,vg_missing_pv_count")
    return {
        "vgs": {group["vg_name"]: _group(group) for group in groups},
        "active": sorted(
            "%(vg_name)s/%(lv_name)s" % lv for lv in _report("lvs", "vg_name,lv_name,lv_active") if lv["lv_active"]
        ),
        "mounts": dict(_mounts()),
        "addresses": {
            link["ifname"]: sorted("%(local)s/%(prefixlen)s" % address for address in link["addr_info"])
            for link in json.loads(_output("ip", "-json", "address"))
        },
        "daemons": dict(_daemons()),
    }


def _group(row):
    tags = sorted(tag for tag in row["vg_tags"].split(",") if tag)
    return {
        "owners": [tag for tag in tags if "=" not in tag],
        "tags": tags,
        "autoactivation": row["vg_autoactivation"] == "enabled",
        "missing": int(row["vg_missing_pv_count"]),
    }


def _report(command, columns):
    (report,) = json.loads(_output(command, "--reportformat", "json", "--options", columns))["report"]
    return next(iter(report.values()))


def _mounts():
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words, _dash, rest = line.partition(" - ")
        fstype, source, _options = rest.split(" ", 2)
        point, options = words.split()[4:6]
        if point.startswith("/opt/"):
            yield point, [source, fstype, options]


def _daemons():
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_text().split("\0")[:-1]
            if words and os.path.basename(words[0]) == "dockerd":
                root = words[words.index("--data-root") + 1]
                group = (process / "cgroup").read_text().strip()
                yield root, {"pid": int(process.name), "cgroup": group, "argv": words}
        except OSError:
            pass


def exclusive(paths):
    """Which of these block devices can be opened by nobody else at the same time: true, false, or null when not there."""
    found = {}
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_EXCL))
            found[path] = True
        except OSError as error:
            found[path] = None if isinstance(error, FileNotFoundError) else False
    return found


def run(argv, seconds=60, accept=(0,)):
    """What a command prints. Its exit code must be one of `accept`."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)
    if accept and done.returncode not in accept:
        raise RuntimeError("%s: exit code %d: %s" % (" ".join(argv), done.returncode, done.stderr or done.stdout))
    return done.stdout + (done.stderr if done.returncode else "")


def hold(path):
    """Have a file or a device open, in a process of its own; the process."""
    with open(path, "rb") as stream:
        process = subprocess.Popen(["sleep", "600"], stdin=stream, cwd="/", start_new_session=True)
    _holders[process.pid] = process
    return process.pid


def drop(pid):
    """End a process of `hold`; it must have lived until now."""
    process = _holders.pop(pid)
    alive = process.poll() is None
    process.kill()
    process.wait()
    if not alive:
        raise RuntimeError("somebody has ended the process %d" % pid)


def cut_sessions():
    """Kill the ssh sessions of everybody else, as a lost connection does; how many there were."""
    mine, pid = set(), os.getpid()
    while pid > 1:
        mine.add(pid)
        pid = int(_fields(pid)[1])
    cut = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in mine:
            with contextlib.suppress(OSError):
                if (process / "cmdline").read_text().startswith("sshd: root@"):
                    os.kill(int(process.name), signal.SIGKILL)
                    cut += 1
    return cut


def _fields(pid):
    """What stat says of a process behind its name: state, parent, ... (proc_pid_stat(5))."""
    return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()


def _output(*argv):
    return run(argv)


def main():
    verbs = (act, begin, wait, status, look, exclusive, run, hold, drop, cut_sessions)
    named = {verb.__name__: verb for verb in verbs}
    import_sdk()
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            answer = {"answer": named[verb](**arguments)}
        except Exception as error:
            answer = {"error": "%s: %s" % (type(error).__name__, error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
