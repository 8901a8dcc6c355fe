"""The kind of this machine: system, processor, minor version of Python.

A bundle (``workshop bundle``) fits machines of one kind. ``.ci/install`` asks before anything is
installed, so this needs Python alone.
"""

import platform
import sys


def kind() -> str:
    """For example linux-x86_64-python3.11."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.system()}-{platform.machine()}-python{version}".lower()


if __name__ == "__main__":
    print(kind())
