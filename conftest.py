"""Make the checkout importable as ansible_collections.dockyard.svc, wherever it lies."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent
PACKAGE = Path("ansible_collections", "dockyard", "svc")


def collections_root() -> Path:
    """The folder to import from: what tools/setup made, or else one made for this run."""
    root = CHECKOUT / ".build" / "collections"
    if (root / PACKAGE).resolve() != CHECKOUT:
        root = Path(tempfile.mkdtemp(prefix="dockyard-"))
        atexit.register(shutil.rmtree, root)
        (root / PACKAGE).parent.mkdir(parents=True)
        (root / PACKAGE).symlink_to(CHECKOUT)
    return root


sys.path.insert(0, str(collections_root()))
