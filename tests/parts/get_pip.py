"""Install pip for ansible-test from the wheel that is part of Python.

ansible-test runs this in place of the get-pip script, with the arguments for that, in each of its environments. Those
after the first get a copy, which is a matter of tenths of a second.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
COPY = Path(__file__).with_suffix("")  # the name of this file has the version of pip

if not COPY.is_dir():
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip[:2], "ensurepip", "--upgrade"], check=True)
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    subprocess.run([*pip, "install", *arguments], check=True)
    whole = COPY.with_suffix(".new")
    shutil.rmtree(whole, ignore_errors=True)
    for folder in PACKAGES.glob("pip*"):
        shutil.copytree(folder, whole / folder.name)
    whole.rename(COPY)  # as a whole, or not at all
shutil.copytree(COPY, PACKAGES, dirs_exist_ok=True)
