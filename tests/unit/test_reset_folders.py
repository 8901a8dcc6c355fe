"""``reset`` empties folders that a container may have mounted, and gives no log an old inode."""

from __future__ import annotations

from pathlib import Path

from workshop_lib.stack.reset import clear


def test_a_folder_stays_and_what_is_in_it_goes(tmp_path: Path) -> None:
    folder = tmp_path / "dead-letters"
    (folder / "inner").mkdir(parents=True)
    (folder / "plays-raw.jsonl").write_text("{}\n")
    inode = folder.stat().st_ino
    assert clear(folder) == 1 and list(folder.iterdir()) == []
    assert folder.stat().st_ino == inode, "a container that has mounted it sees the new files"


def test_a_file_is_removed_and_what_is_not_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "replay.json").write_text("{}")
    assert clear(tmp_path / "replay.json") == 1 and not (tmp_path / "replay.json").exists()
    assert clear(tmp_path / "replay.json") == 0


def test_a_new_log_never_has_the_inode_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    seen: set[int] = set()
    for _ in range(5):
        folder.mkdir(exist_ok=True)
        (folder / "plays.log").write_text("a play\n" * 1000)
        inode = (folder / "plays.log").stat().st_ino
        assert inode not in seen, "Logstash would take it for one that it has read"
        seen.add(inode)
        clear(folder)
        assert not list(folder.glob("*.log*"))
    kept = list((folder / ".inodes").iterdir())
    assert len(kept) == 5 and not any(path.stat().st_size for path in kept)
