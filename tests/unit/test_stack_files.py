"""The servers' files: verified, refused, downloaded again; offline."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from workshop_lib.commands.stack import download
from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, class_archive, java, node
from workshop_lib.settings import Settings


@pytest.fixture
def small_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of one file, whose content must be ``good``; an empty cache."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "artifacts.sha256").write_text(
        "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c  spark/a.jar\n"
    )
    monkeypatch.setattr(artifacts, "HERE", here)
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fetched" / "spark").mkdir(parents=True)
    return tmp_path / "fetched"


def test_a_file_with_the_right_sum_is_taken(small_list: Path) -> None:
    (small_list / "spark/a.jar").write_bytes(b"good")
    artifacts.take(small_list, ["spark/a.jar"])
    assert artifacts.missing() == []


def test_a_file_with_another_sum_is_refused_and_not_kept(small_list: Path) -> None:
    (small_list / "spark/a.jar").write_bytes(b"bad")
    with pytest.raises(WorkshopError, match="sha256 differs"):
        artifacts.take(small_list, ["spark/a.jar"])
    assert artifacts.missing() == ["spark/a.jar"]


def test_a_file_that_changed_in_the_cache_is_fetched_again(small_list: Path) -> None:
    (small_list / "spark/a.jar").write_bytes(b"good")
    artifacts.take(small_list, ["spark/a.jar"])
    (artifacts.library() / "spark/a.jar").write_bytes(b"goof")
    assert artifacts.missing() == ["spark/a.jar"] == artifacts.missing("spark/")
    assert artifacts.missing("kafka/") == []


def _fake_ivy(content: str) -> Callable[..., list[str]]:
    """Instead of Ivy: a program that "fetches" the one file, also into Ivy's own cache."""
    program = """if True:
        import pathlib, sys
        for folder in sys.argv[2:]:
            file = pathlib.Path(folder, "spark/a.jar")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sys.argv[1])
    """
    return lambda settings, ivy, folder, group: [
        *(sys.executable, "-c", program),
        *(content, str(ivy), str(folder)),
    ]


def test_what_is_refused_is_fetched_anew_the_next_time(
    small_list: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "_ivy_command", _fake_ivy("bad"))
    with pytest.raises(WorkshopError, match="sha256 differs"):
        artifacts.ensure(settings)
    assert not (artifacts.cache() / "ivy").exists()

    monkeypatch.setattr(artifacts, "_ivy_command", _fake_ivy("good"))
    reported: list[tuple[float, float]] = []
    artifacts.ensure(
        settings, lambda step, done=0, total=0, detail="": reported.append((done, total))
    )
    assert artifacts.missing() == []
    whole = artifacts.SIZE / 1e6
    assert reported[0] == (0, whole) and reported[-1] == (whole, whole)


def test_a_mirror_is_the_root_and_without_one_it_is_central() -> None:
    mirror = 'https://mirror.example/maven?a=1&b="2"'
    for repository, root in ((mirror, mirror), ("", None)):
        resolver = ElementTree.fromstring(artifacts.ivy_settings(repository)).find(".//ibiblio")
        assert resolver is not None and resolver.get("root") == root


def test_java_is_told_the_proxies_of_the_environment() -> None:
    assert artifacts.proxy_options({"https": "http://proxy.example:3128", "no": "localhost"}) == [
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
    ]
    assert artifacts.proxy_options({}) == []


def test_with_all_files_there_nothing_is_fetched(
    small_list: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_list / "spark/a.jar").write_bytes(b"good")
    artifacts.take(small_list, ["spark/a.jar"])

    def no_network(*_: object) -> list[str]:
        raise AssertionError("Ivy was asked")

    monkeypatch.setattr(artifacts, "_ivy_command", no_network)
    artifacts.ensure(settings)
    assert artifacts.spark_jars(settings) == [artifacts.library() / "spark/a.jar"]


def test_offline_says_what_to_do(
    small_list: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [sys.executable, "-c", "print('Server access error: UnknownHost'); exit(1)"]
    monkeypatch.setattr(artifacts, "_ivy_command", lambda *_: failing)
    with pytest.raises(WorkshopError) as error:
        artifacts.ensure(settings)
    assert "UnknownHost" in error.value.message
    assert "run the same command again" in error.value.todo


def test_every_listed_file_has_a_sum_and_a_group() -> None:
    sums = artifacts.checksums()
    assert all(len(digest) == 64 for digest in sums.values())
    assert {name.split("/")[0] for name in sums} == {"kafka", "spark", "elasticsearch"}
    assert sum(name.startswith("spark/") for name in sums) == 5


def test_an_additional_jar_is_not_loaded_and_doctor_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    from workshop_lib.stack import preflight

    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path))
    (artifacts.library() / "kafka").mkdir(parents=True)
    extra = artifacts.library() / "kafka" / "aaa-patched.jar"
    extra.write_bytes(b"anything")
    path = artifacts.kafka_classpath()
    assert "aaa-patched" not in path and "*" not in path and "kafka_2.13" in path
    finding = preflight._files(settings)
    assert not finding.ok and str(extra) in finding.found
    extra.unlink()
    assert "not one of them" not in preflight._files(settings).found


@pytest.mark.parametrize("archive", [True, False])
def test_download_builds_the_class_archive_unless_it_is_told_not_to(
    monkeypatch: pytest.MonkeyPatch, archive: bool
) -> None:
    done: list[str] = []
    for module, name in (
        *((java, "find_or_install"), (artifacts, "ensure")),
        *((node, "install"), (class_archive, "make")),
    ):
        monkeypatch.setattr(module, name, lambda *_, name=name: done.append(name))
    download(docker=False, without=[], archive=archive)
    assert {"find_or_install", "ensure", "install"} <= set(done)
    assert ("make" in done) == archive
