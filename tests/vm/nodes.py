# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of tests/vm/rig as tests use them: questions and actions over ssh."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import testinfra

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
SSH_CONFIG = CHECKOUT / ".build/vm/run/ssh_config"
PATIENCE = 400  # seconds that an answer may take before a test gives up
ON_THE_NODE = "/root/agent"


class Node:
    """One node: `host` is testinfra's, the other methods are the verbs of agent.py."""

    def __init__(self, name):
        self.name = name
        self.host = testinfra.get_host("ssh://" + name, ssh_config=str(SSH_CONFIG))
        self._agent = None

    def act(self, services, path, state, **options):
        return self.ask("act", services=services, path=path, state=state, **options)

    def status(self, services, path):
        return self.ask("status", services=services, path=path)

    def look(self):
        return self.ask("look")

    def exclusive(self, *paths):
        return self.ask("exclusive", paths=paths)

    def run(self, *argv, **options):
        return self.ask("run", argv=argv, **options)

    def ask(self, verb, **arguments):
        """One request to the agent of the node."""
        if self._agent is None or self._agent.poll() is not None:
            self._send_agent()
        self._agent.stdin.write(json.dumps([verb, arguments]) + "\n")
        self._agent.stdin.flush()
        watch = threading.Timer(PATIENCE, self._agent.kill)
        watch.start()
        try:
            line = self._agent.stdout.readline()
        finally:
            watch.cancel()
        assert line, "%s: no answer to %s" % (self.name, verb)
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply["answer"]

    def crash(self):
        """A power cut."""
        self._rig("crash")
        if self._agent is not None:
            self._agent.kill()
            self._agent.wait()
            self._agent = None

    def boot(self):
        """Switch the node on again, and wait until it answers."""
        self._rig("boot")

    def _rig(self, verb):
        done = subprocess.run(
            [HERE / "rig", verb, self.name], capture_output=True, text=True, timeout=2 * PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr

    def leave(self):
        """End the agent. The next request starts a new one."""
        if self._agent is not None:
            self._agent.stdin.close()
            self._agent.wait(timeout=20)
            self._agent = None

    def _send_agent(self):
        text = io.BytesIO()
        with tarfile.open(fileobj=text, mode="w") as archive:
            for path in sorted((CHECKOUT / "plugins/module_utils").rglob("*.py")):
                archive.add(path, Path("ansible_collections/dockyard/svc", path.relative_to(CHECKOUT)))
            archive.add(HERE / "agent.py", "agent.py")
        new, folder = ON_THE_NODE, "%s-%s" % (ON_THE_NODE, hashlib.sha256(text.getvalue()).hexdigest()[:12])
        unpack = f"rm -rf {new} && mkdir {new} && tar -C {new} -xf - && python3 -m compileall -q {new}"
        script = f"[ -e {folder} ] || {{ {unpack} && sync && mv {new} {folder}; }}"  # an earlier one may have sent it
        subprocess.run(self._ssh(script), input=text.getvalue(), check=True, timeout=PATIENCE)
        self._agent = subprocess.Popen(
            self._ssh("exec python3 %s/agent.py" % folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )

    def _ssh(self, script):
        # A connection of its own: a test may cut the one that Ansible keeps open.
        return ["ssh", "-F", str(SSH_CONFIG), "-o", "ControlPath=none", self.name, script]
