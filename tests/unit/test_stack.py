"""The parts of the stack that need no server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.settings import Settings
from workshop_lib.stack import artifacts, elasticsearch, java, kafka, process

# Java -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('java version "1.8.0_401"\nJava(TM) SE Runtime Environment', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ('Picked up _JAVA_OPTIONS: -Xmx1g\nopenjdk version "11.0.2" 2019', 11),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_that_java_prints(text: str, version: int | None) -> None:
    assert java.parse_version(text) == version


def _fake_java(home: Path, version: str, modules: Iterable[str]) -> Path:
    listed = "".join(f"{module}@{version}\\n" for module in modules)
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"""#!/bin/sh
case "$*" in
  *-version) printf '    java.home = {home}\\nopenjdk version "{version}"\\n' >&2 ;;
  --list-modules) printf '{listed}' ;;
esac
"""
    )
    program.chmod(0o755)
    return home


FULL = ("java.base", *java.NEEDED_MODULES)


@pytest.fixture
def only_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No Java anywhere but where the test puts it: ``JAVA_HOME`` and ``bin`` on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java-home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(java, "USUAL", (str(tmp_path / "usual" / "*"),))
    return tmp_path


def test_the_first_java_that_will_do_is_taken(only_here: Path) -> None:
    _fake_java(only_here / "java-home", "11.0.2", FULL)
    usual = _fake_java(only_here / "usual" / "jdk-25", "25", FULL)
    assert java.find() == java.Java(usual, 25)

    # PATH comes before the usual folders; its home is what the program says, not where it lies.
    real = _fake_java(only_here / "real", "21.0.1", FULL)
    shim = only_here / "bin" / "java"
    shim.write_text(f'#!/bin/sh\nexec {real}/bin/java "$@"\n')
    shim.chmod(0o755)
    assert java.find() == java.Java(real, 21)


def test_an_old_or_trimmed_java_is_named_with_the_remedy(only_here: Path) -> None:
    _fake_java(only_here / "java-home", "17.0.9", set(FULL) - {"jdk.attach"})
    _fake_java(only_here / "usual" / "8", "1.8.0_401", FULL)

    with pytest.raises(WorkshopError) as error:
        java.find()

    assert "java is Java 17, but trimmed: it lacks jdk.attach" in error.value.message
    assert "java is Java 8, older than 17" in error.value.message
    assert error.value.todo.startswith("Install it: ")


def test_without_any_java_the_command_of_the_system_is_named(
    only_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (only_here / "bin" / "dnf").write_text("#!/bin/sh\n")
    (only_here / "bin" / "dnf").chmod(0o755)
    monkeypatch.setattr(java.platform, "system", lambda: "Linux")
    monkeypatch.setattr(java.os, "geteuid", lambda: 1000)
    with pytest.raises(WorkshopError, match="none was found") as error:
        java.find_or_install()
    assert error.value.todo == "Install it: sudo dnf install -y java-21-openjdk-devel"


def test_root_on_debian_gets_java_from_apt(
    only_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up apt, as on Debian 12: 17 can be installed, 21 is a name without a package."""
    ready = _fake_java(only_here / "later", "17.0.15", FULL)
    scripts = {
        "apt-cache": '[ "$2" = openjdk-21-jre-headless ] || echo "Package: $2"',
        "apt-get": f"""case "$*" in
            *update) ;;
            *openjdk-17-jre-headless) /bin/mkdir -p {only_here}/usual
                /bin/ln -s {ready} {only_here}/usual/17 ;;
            *) exit 100 ;;
        esac""",
    }
    for name, script in scripts.items():
        (only_here / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (only_here / "bin" / name).chmod(0o755)
    monkeypatch.setattr(java.os, "geteuid", lambda: 0)

    assert java.find_or_install() == java.Java(ready, 17)


# Files ----------------------------------------------------------------------------


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
    return lambda settings, ivy, folder: [
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
    said: list[str] = []
    artifacts.ensure(settings, artifacts.in_steps(said.append))
    assert artifacts.missing() == []
    assert said[0].startswith("Fetching the servers, once: 0 of 161 MB")
    assert said[-1].startswith("Fetching the servers, once: 161 of 161 MB")


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
    assert sum(name.startswith("spark/") for name in sums) == 4


# Processes ------------------------------------------------------------------------

SLEEP = process.Command([sys.executable, "-c", "import time; time.sleep(60)"], {})


def test_a_process_is_found_stopped_and_forgotten(tmp_path: Path) -> None:
    started = process.start("x", SLEEP, tmp_path, tmp_path / "x.log")
    assert process.find("x", tmp_path) == started
    assert process.stop("x", tmp_path)
    assert not started.is_running() and process.find("x", tmp_path) is None
    assert not process.stop("x", tmp_path)


def test_a_reused_pid_is_not_ours_and_is_not_killed(tmp_path: Path) -> None:
    bystander = subprocess.Popen(SLEEP.words)
    try:
        ours = process.started(os.getpid())
        assert ours != process.started(bystander.pid)
        record = {"pid": bystander.pid, "started": ours}
        (tmp_path / "x.json").write_text(json.dumps(record))

        assert process.find("x", tmp_path) is None
        assert process.is_stale("x", tmp_path)
        assert not process.stop("x", tmp_path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux keeps ticks since boot")
def test_setting_the_clock_does_not_lose_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = process.start("x", SLEEP, tmp_path, tmp_path / "x.log")
    try:
        before = running.create_time()
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: before + 3600)
        assert process.find("x", tmp_path) is not None
    finally:
        monkeypatch.undo()
        assert process.stop("x", tmp_path)


def test_a_taken_port_gives_a_free_one() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        other = process.free_port(taken)
        assert other != taken
    assert process.free_port(taken) == taken
    assert process.free_port(taken, {taken}) != taken


# Configuration --------------------------------------------------------------------


def test_servers_listen_on_this_machine_only(tmp_path: Path) -> None:
    text = kafka.properties(tmp_path, 1, 2)
    addresses = [line for line in text.splitlines() if "://" in line]
    assert len(addresses) == 2 and all("://127.0.0.1:" in line for line in addresses)
    assert 'network.host: "127.0.0.1"\n' in elasticsearch.yaml(tmp_path, 1, 2)


def test_a_folder_with_odd_signs_stays_one_value(tmp_path: Path) -> None:
    text = elasticsearch.yaml(tmp_path / "my: #1 [home]", 1, 2)
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
