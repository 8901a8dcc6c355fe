"""The ports that the servers of a test try first: each worker of ``pytest -n`` has its own.

Two stacks that start at the same moment would both find a port free, and only one get it.
"""

from __future__ import annotations

import os

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

#: As variables of the environment, for every process that a test starts.
PORTS = {
    f"WORKSHOP_{name}_PORT": str(port + 1000 * WORKER)
    for name, port in (("KAFKA", 20092), ("ELASTICSEARCH", 20200), ("REDIS", 20379), ("WEB", 20080))
}
