"""The home holds customers and passwords: nobody else can look into it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from workshop_lib.settings import make_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_for_its_owner_only_when_it_is_made_and_later(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_private(home)
    assert mode(home) == 0o700
    home.chmod(0o755)
    make_private(home)
    assert mode(home) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_where_another_user_must_pass_all_else_is_closed(tmp_path: Path) -> None:
    for name in ("elasticsearch", "world"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name).chmod(0o755)
    make_private(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o711
    assert mode(tmp_path / "home" / "world") == 0o700
    assert mode(tmp_path / "home" / "elasticsearch") == 0o755
