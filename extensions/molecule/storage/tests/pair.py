"""The service pair.opensvc.com, which may run on both nodes, and what is to be seen of it."""

from __future__ import annotations

from dataclasses import dataclass

PATH = "pair.opensvc.com"
DOWN = dict.fromkeys(("ip#1", "disk#1", "fs#1", "fs#2"), "down")
UP = {**DOWN, "ip#1": "up", "disk#1": "up", "fs#1": "up"}
"""The states after `start`."""


@dataclass
class Pair:
    """The service, and what can be done to it on a node."""

    services: dict

    def act(self, node, state, **options):
        return node.act(self.services, PATH, state, **options)

    def start(self, node, rid="ip,disk,fs#1"):
        """Start all but the file system that takes long."""
        return self._well(self.act(node, "started", rid=rid))

    def stop(self, node, **options):
        return self._well(self.act(node, "stopped", **options))

    def status(self, node):
        return node.status(self.services, PATH)

    def begin(self, node, state):
        """Begin to start or stop, and return the process at once."""
        return node.ask("begin", services=self.services, path=PATH, state=state, rid="ip,disk,fs#1")

    @staticmethod
    def _well(outcome):
        assert not outcome["failed"], outcome["msg"]
        return outcome


def states(status):
    return {rid: resource["state"] for rid, resource in status["resources"].items()}


def remarks(status, rid):
    return "; ".join(line["text"] for line in status["resources"][rid]["log"])


def active(node):
    """The logical volumes of the service that are active on the node."""
    return [volume for volume in node.look()["active"] if volume.startswith("vgpair/")]


def anything_of_it(node):
    """What of the service is on the node, seen without the code under test."""
    now = node.look()
    return (
        [owner for owner in now["vgs"].get("vgpair", {"owners": []})["owners"] if owner == node.name]
        + [volume for volume in now["active"] if volume.startswith("vgpair/")]
        + [point for point in now["mounts"] if point.startswith("/opt/pair")]
        + [address for address in now["addresses"]["eth0"] if address.startswith("192.0.2.23/")]
    )
