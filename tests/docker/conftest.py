"""A fake Docker for the tests of what drives it: no engine runs where these tests do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from docker_machine import Docker

from workshop_lib.stack import compose, docker_cli, docker_preflight

HERE = Path(__file__).parent


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """A machine on which Docker runs well, and a docker/.env of this test's own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(
        f'#!/bin/sh\nexec {sys.executable} {HERE}/fake_docker.py "$@"\n'
    )
    (programs / "docker").chmod(0o755)
    fake = Docker(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(fake.case))
    monkeypatch.setattr(docker_cli, "env_file", lambda: tmp_path / "docker.env")
    maps = tmp_path / "max_map_count"
    maps.write_text("262144\n")
    monkeypatch.setattr(docker_preflight, "MAPS", maps)
    for number, variable in enumerate(compose.PORTS):
        monkeypatch.setenv(variable, str(20_000 + number))
    return fake
