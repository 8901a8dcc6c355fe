"""Files replaced as a whole or not at all, private ones private from the first byte on."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import state_file


def test_a_failed_replacement_keeps_the_earlier_content_and_leaves_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state"
    state_file.write(path, "old")
    with pytest.raises(RuntimeError), state_file.replacing(path) as draft:
        draft.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_put_in_place_as_a_whole(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with state_file.replacing(tmp_path / "folder", durable=True) as draft:
            draft.mkdir()
            (draft / "file").write_text(text)
    assert (tmp_path / "folder" / "file").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    state_file.save(tmp_path / "secret", {"key": "value"}, 0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00\x01"])
def test_a_broken_state_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(WorkshopError, match=r"state\.json is damaged.*Delete it") as error:
        state_file.load(tmp_path / "state.json", "Delete it.")
    assert "\n" not in str(error.value)
