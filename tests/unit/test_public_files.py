"""The files of a public project are valid, and say what is true of this one."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import tomllib
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pre_commit.clientlib import load_config

from workshop_lib.runtime import artifacts
from workshop_lib.settings import PROJECT, Settings

APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def targets(*words: str) -> set[str]:
    """The targets of the Makefile that these commands name."""
    return {word for line in words for word in line.split()[1:] if not word.startswith("-")}


@pytest.fixture(scope="module")
def makefile() -> str:
    return (PROJECT / "Makefile").read_text()


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    """What ``make sbom`` writes; CycloneDX's schema has accepted it."""
    spec = importlib.util.spec_from_file_location("sbom", PROJECT / ".ci" / "sbom.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, Any] = module.bill()
    return made


def test_the_licence_is_the_standard_s_text_and_the_package_names_it() -> None:
    assert hashlib.sha256((PROJECT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"


def test_the_changelog_begins_with_what_is_unreleased_and_has_this_version() -> None:
    sections = re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert sections[:2] == ["Unreleased", version]


def test_the_development_container_has_java_enough_memory_and_the_ports(
    settings: Settings, makefile: str
) -> None:
    container = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text())
    (java,) = (given for name, given in container["features"].items() if "/java:" in name)
    assert int(java["version"]) >= 17
    assert float(re.search(r"python:(\d\.\d+)", container["image"])[1].split(".")[1]) >= 11  # type: ignore[index]
    assert int(container["hostRequirements"]["memory"].removesuffix("gb")) >= 8
    default = Settings.model_fields["web_port"].default
    assert {default, urlsplit(settings.sms_url).port} <= set(container["forwardPorts"])
    assert set(container["portsAttributes"]) == {str(port) for port in container["forwardPorts"]}
    (target,) = targets(container["postCreateCommand"])
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_hooks_are_valid_and_check_all_that_make_check_does(makefile: str) -> None:
    path = PROJECT / ".pre-commit-config.yaml"
    load_config(str(path))  # as pre-commit reads it; exits when it is not valid
    hooks = yaml.safe_load(path.read_text())["repos"][0]["hooks"]
    entries = [hook["entry"] for hook in hooks]
    for target in targets(*(entry for entry in entries if entry.startswith("make "))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert lint
    programs = set(re.findall(r"\$\(BIN\)/([\w-]+(?: format| check)?)", lint[1]))
    called = {entry.removeprefix(".venv/bin/") for entry in entries}
    assert programs and not [p for p in programs if not any(c.startswith(p) for c in called)]


def test_the_bill_has_every_server_and_connector_with_its_sum(bill: dict[str, Any]) -> None:
    listed = {
        component["hashes"][0]["content"]: component
        for component in bill["components"]
        if component["purl"].startswith("pkg:maven/")
    }
    assert len(listed) == len(artifacts.checksums())
    for path, sha256 in artifacts.checksums().items():
        found = listed[sha256]
        assert path.split("/")[1].startswith(f"{found['name']}-{found['version']}.")
        assert found["version"][0].isdigit() and "/" not in found["group"]


def test_the_bill_has_every_python_and_npm_package(bill: dict[str, Any]) -> None:
    urls = Counter(component["purl"] for component in bill["components"])
    lock = (PROJECT / "requirements.lock").read_text()
    python = re.findall(r"^([a-z0-9][\w.-]*)(?:\[.*\])?==([^\s;]+)", lock, re.MULTILINE)
    assert len(python) > 150
    for name, version in python:
        assert urls[f"pkg:pypi/{name}@{version}"] == 1, name
    packages = json.loads((PROJECT / "web" / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        name = path.rpartition("node_modules/")[2].replace("@", "%40")
        if name:
            assert urls[f"pkg:npm/{name}@{package['version']}"] == 1, name
