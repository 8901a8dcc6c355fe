"""The software bill of materials: all that the workshop installs or fetches, in CycloneDX.

In: ``requirements.lock`` (Python), ``web/package-lock.json`` (npm) and the list of servers and
connectors with their sums, ``workshop_lib/runtime/artifacts.sha256`` (Maven). Out: one JSON
file, valid by CycloneDX's own schema. No network, and the same input gives the same bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

PROJECT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

#: Maven's group of an artifact, by the beginning of its name; the first that fits.
GROUPS: Final = {
    "HdrHistogram": "org.hdrhistogram",
    "argparse4j": "net.sourceforge.argparse4j",
    "caffeine": "com.github.ben-manes.caffeine",
    "commons-beanutils": "commons-beanutils",
    "commons-collections": "commons-collections",
    "commons-digester": "commons-digester",
    "commons-logging": "commons-logging",
    "commons-pool2": "org.apache.commons",
    "commons-validator": "commons-validator",
    "elasticsearch": "org.elasticsearch.distribution.integ-test-zip",
    "hadoop-bare-naked-local-fs": "com.globalmentor",
    "hash4j": "com.dynatrace.hash4j",
    "jackson-dataformat": "com.fasterxml.jackson.dataformat",
    "jackson-datatype": "com.fasterxml.jackson.datatype",
    "jackson": "com.fasterxml.jackson.core",
    "jopt-simple": "net.sf.jopt-simple",
    "jose4j": "org.bitbucket.b_c",
    "jspecify": "org.jspecify",
    "kafka": "org.apache.kafka",
    "log4j": "org.apache.logging.log4j",
    "lz4-java": "at.yawk.lz4",
    "metrics-core": "com.yammer.metrics",
    "pcollections": "org.pcollections",
    "re2j": "com.google.re2j",
    "scala-logging": "com.typesafe.scala-logging",
    "scala": "org.scala-lang",
    "slf4j-api": "org.slf4j",
    "snakeyaml": "org.yaml",
    "snappy-java": "org.xerial.snappy",
    "spark": "org.apache.spark",
    "zstd-jni": "com.github.luben",
}


def python_packages() -> list[dict[str, Any]]:
    """Components of the lock file, with their hashes."""
    return _components(
        [
            *(sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible"),
            *("--of", "JSON", "--sv", "1.6", "--short-PURLs", str(PROJECT / "requirements.lock")),
        ]
    )


def npm_packages() -> list[dict[str, Any]]:
    """Components of the page's lock file, as npm itself lists them."""
    from workshop_lib.runtime.node import NODE, NPM

    return _components(
        [str(NODE), str(NPM), "sbom", "--package-lock-only", "--sbom-format=cyclonedx"]
    )


def _components(command: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(command, cwd=PROJECT / "web", capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)["components"]
    return found


def maven_artifacts() -> list[dict[str, Any]]:
    """Components of the servers and Spark's connector, by name, version and sha256."""
    from workshop_lib.runtime.artifacts import checksums

    components = []
    for path, sha256 in checksums().items():
        name, _, version = Path(path).stem.rpartition("-")
        if version == "10" and name.startswith("zstd-jni"):  # 1.5.6-10
            name, _, version = name.rpartition("-")
            version += "-10"
        group = next(group for begin, group in GROUPS.items() if name.startswith(begin))
        kind = Path(path).suffix.removeprefix(".")
        components.append(
            {
                "type": "library" if kind == "jar" else "application",
                "bom-ref": path,
                "group": group,
                "name": name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": sha256}],
                "purl": f"pkg:maven/{group}/{name}@{version}" + f"?type={kind}" * (kind != "jar"),
            }
        )
    return components


def bill() -> dict[str, Any]:
    """The whole bill; ``ValueError`` when CycloneDX's schema does not accept it."""
    components = [*python_packages(), *npm_packages(), *maven_artifacts()]
    for component in components:
        component["bom-ref"] = component.get("purl") or component["bom-ref"]
    unique = {component["bom-ref"]: component for component in components}
    made = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "realtime-analytics-workshop"}},
        "components": [unique[reference] for reference in sorted(unique)],
    }
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made))
    if problem:
        raise ValueError(f"not a valid bill of materials: {problem}")
    return made


if __name__ == "__main__":
    Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
    Path(sys.argv[1]).write_text(json.dumps(bill(), indent=1) + "\n")
