"""Install pip for ansible-test without a network: from the wheel that is part of Python.

ansible-test runs this in place of the get-pip script, with the arguments for that.
"""

from __future__ import annotations

import subprocess
import sys

PIP = [sys.executable, "-m", "pip"]

subprocess.run([sys.executable, "-m", "ensurepip", "--upgrade"], check=True)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([*PIP, "install", *arguments], check=True)
