"""What the servers are told, and who owns what."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.stack import elasticsearch, embedded, kafka


def test_servers_listen_on_this_machine_only(tmp_path: Path) -> None:
    text = kafka.properties(1, 2, {"admin": "word"})
    addresses = [line for line in text.splitlines() if "://" in line]
    assert len(addresses) == 2 and all("://127.0.0.1:" in line for line in addresses)
    assert 'network.host: "127.0.0.1"\n' in elasticsearch.yaml(tmp_path, 1, 2, "id")


def test_a_folder_with_odd_signs_stays_one_value(tmp_path: Path) -> None:
    text = elasticsearch.yaml(tmp_path / "my: #1 [home]", 1, 2, "id")
    (line,) = (line for line in text.splitlines() if line.startswith("path.data: "))
    assert json.loads(line.removeprefix("path.data: ")) == f"{tmp_path}/my: #1 [home]/data"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as somebody else")
def test_root_with_a_closed_home_puts_elasticsearch_where_its_user_can_reach_it(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = elasticsearch.home(Settings(home=closed))
    assert not home.is_relative_to(closed) and elasticsearch.reachable_by_others(home)


@pytest.mark.parametrize(("identity", "kept"), [("of-this-home", True), ("of-a-later-one", False)])
def test_data_outside_of_a_home_that_was_deleted_is_not_taken_over(
    tmp_path: Path, identity: str, kept: bool
) -> None:
    (tmp_path / "config").mkdir()
    document = tmp_path / "data" / "nodes" / "document"
    document.parent.mkdir(parents=True)
    document.write_text("{}")
    elasticsearch.remove_orphaned(tmp_path, identity)  # never started: nothing is known of it
    configuration = elasticsearch.yaml(tmp_path, 1, 2, "of-this-home")
    (tmp_path / "config" / "elasticsearch.yml").write_text(configuration)
    elasticsearch.remove_orphaned(tmp_path, identity)
    assert document.exists() == kept


def _archive(path: Path) -> Path:
    """A zip of a program, whose files its maker meant for everybody or only for the group."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, mode in (("p/bin/run", 0o100755), ("p/config/roles", 0o100660)):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, "x")
    return path


def test_the_unpacked_program_can_be_read_by_all_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        elasticsearch.unpack(_archive(tmp_path / "p.zip"), tmp_path / "p")
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777
        for path in (tmp_path / "p").rglob("*")
    }
    assert modes == {
        "p/bin": 0o755,
        "p/bin/run": 0o755,
        "p/config": 0o755,
        "p/config/roles": 0o644,
    }
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o755


def test_a_folder_that_somebody_else_made_first_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elasticsearch.own(tmp_path / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(WorkshopError, match="belongs to somebody else"):
        elasticsearch.own(tmp_path / "link")
    monkeypatch.setattr(elasticsearch.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(WorkshopError, match="belongs to somebody else"):
        elasticsearch.own(tmp_path / "mine")


def test_a_user_that_does_not_exist_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elasticsearch.os, "geteuid", lambda: 0)
    with pytest.raises(WorkshopError, match="no user 'nosuchuser'"):
        elasticsearch.runs_as(settings.model_copy(update={"elasticsearch_user": "nosuchuser"}))


@pytest.mark.parametrize("wanted", [0, 9000])
def test_each_port_is_another_one_and_0_means_any(settings: Settings, wanted: int) -> None:
    """The second port of a server is beside the first; beside 0 it would be root's."""
    names = ("kafka", "elasticsearch", "redis")
    ports = embedded._choose_ports(
        settings.model_copy(
            update={f"{name}_port": wanted and wanted + 1000 * n for n, name in enumerate(names)}
        ),
        set(),
    )
    assert len(set(ports.values())) == 5
    assert min(ports.values()) > 1024
