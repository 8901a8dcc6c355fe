"""Machines as they are: odd folders, locales, terminals, proxies, other programs' environments."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import artifacts, environment, java
from workshop_lib.runtime import http as own_http
from workshop_lib.settings import PROJECT, Settings
from workshop_lib.stack.kafka import properties_text

#: A clone in a folder like this, and a home.
ODD = "내 폴더 (복사본) #1"


# Settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TRIGGER_SECONDS", "two", "='two' is wrong; allowed is a valid number"),
        ("NAMESPACE", "Öl", "='Öl' is wrong; allowed is small letters, digits and dashes"),
        ("STACK", "cloud", "='cloud' is wrong; allowed is 'embedded', 'docker'"),
        ("WATERMARK_MINUTES", "0", "='0' is wrong; allowed is greater than or equal to 1"),
        ("KAFKA_PORT", "99999", "='99999' is wrong; allowed is less than or equal to 65000"),
        ("SPARK_UI", "maybe", "='maybe' is wrong; allowed is a valid boolean"),
        ("SMS_ALLOWED_NUMBERS", "+1 202", "='+1 202' cannot be read; allowed is a list in JSON"),
    ],
)
def test_a_wrong_setting_names_the_variable_its_value_and_what_is_allowed(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WORKSHOP_{name}", value)
    with pytest.raises(WorkshopError) as error:
        Settings()
    assert error.value.message.startswith(f"WORKSHOP_{name}{words}")
    assert "\n" not in str(error.value), "one line, in a command and in a notebook"


def test_a_wrong_argument_is_named_as_it_was_given() -> None:
    with pytest.raises(WorkshopError, match=r"^batch_records=-1 is wrong; allowed is greater"):
        Settings(batch_records=-1)


def test_a_home_is_expanded_and_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKSHOP_HOME", "~/ws")
    assert Settings().home == tmp_path / "user" / "ws"
    monkeypatch.setenv("WORKSHOP_HOME", "ws")
    monkeypatch.setenv("WORKSHOP_DATA", "~/data")
    assert (Settings().home, Settings().world) == (tmp_path / "ws", tmp_path / "user" / "data")


# The environment of other programs ----------------------------------------------------


def test_another_spark_java_and_python_are_taken_out_and_named() -> None:
    foreign = {
        **{"SPARK_HOME": "/opt/spark", "SPARK_CONF_DIR": "/etc/spark", "PYSPARK_PYTHON": "/bin/x"},
        **{"PYSPARK_SUBMIT_ARGS": "--master yarn", "HADOOP_CONF_DIR": "/etc/hadoop"},
        **{"JAVA_TOOL_OPTIONS": "-Xmx1m", "_JAVA_OPTIONS": "-Xint", "CLASSPATH": "/x.jar"},
        **{"ES_JAVA_OPTS": "-Xmx8g", "NODE_OPTIONS": "--inspect", "PYTHONHOME": "/usr"},
    }
    import pyspark

    ours = {
        **{"PATH": "/bin", "HOME": "/h", "JAVA_HOME": "/jdk", "WORKSHOP_STACK": "embedded"},
        **{"SPARK_HOME": pyspark.__path__[0], "PYSPARK_PYTHON": sys.executable},
    }
    there = foreign | {"PATH": "/bin"}
    assert environment.drop_foreign(there) == foreign and there == {"PATH": "/bin"}
    assert environment.drop_foreign(ours) == {} and len(ours) == 6


def test_only_folders_that_hide_our_packages_leave_pythonpath(tmp_path: Path) -> None:
    other = tmp_path / "spark" / "python"
    (other / "pyspark").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    py4j = other / "lib" / "py4j-0.10.9-src.zip"
    kept = f"{tmp_path / 'mine'}:{PROJECT}"
    there = {"PYTHONPATH": f"{other}:{py4j}:{kept}"}
    assert environment.drop_hiding_folders(there) == [str(other), str(py4j)]
    assert there["PYTHONPATH"] == kept


def test_a_proxy_is_never_asked_for_this_machine() -> None:
    there = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "example.org, localhost"}
    environment.never_a_proxy_for_ourselves(there)
    assert there["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    assert there["NO_PROXY"] == "127.0.0.1,localhost,::1"
    alone = {"PATH": "/bin"}
    environment.never_a_proxy_for_ourselves(alone)
    assert alone == {"PATH": "/bin"}


def test_a_request_to_our_own_server_goes_past_the_proxy(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert own_http.get(server, timeout=5) == b"here"


@pytest.fixture
def server() -> Iterator[str]:
    class Here(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"here")

        def log_message(self, *words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Here) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/"
        found.shutdown()


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({}, "C.UTF-8"),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "C.UTF-8"),
        ({"LANG": "POSIX"}, "C.UTF-8"),
        ({"LANG": "ko_KR.EUC-KR"}, "C.UTF-8"),
        ({"LANG": "ko_KR.utf8"}, None),
        ({"LANG": "ko_KR.UTF-8"}, None),
        ({"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, None),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Java takes UTF-8 by itself")
def test_in_the_c_locale_java_reads_names_of_files_as_utf_8(
    there: dict[str, str], wanted: str | None
) -> None:
    before = there.get("LC_ALL")
    environment.utf8_for_java(there)
    assert there.get("LC_ALL") == (wanted or before)


def test_without_a_home_that_can_be_written_programs_keep_their_files_with_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    there = {"IPYTHONDIR": "/mine"}
    environment.writable_homes(there)
    assert set(there) == set(environment.HOMES) and there.pop("IPYTHONDIR") == "/mine"
    assert all(Path(place).parents[1].name in (".workshop", "user") for place in there.values())
    monkeypatch.setenv("HOME", str(Path.cwd()))
    untouched: dict[str, str] = {}
    environment.writable_homes(untouched)
    assert untouched == {}


def test_trust_stores_and_proxies_of_java_still_reach_downloads() -> None:
    options = "-Xmx1m -Djavax.net.ssl.trustStore=/ca.jks -Dhttps.proxyHost=p -Dother=1"
    wanted = ["-Djavax.net.ssl.trustStore=/ca.jks", "-Dhttps.proxyHost=p"]
    assert environment.network_options(options) == wanted


# Files of configuration, terminals ------------------------------------------------------


def test_a_properties_file_keeps_every_sign() -> None:
    text = properties_text({"log.dirs": "/내 집/a\\b/🎵"})
    assert text == "log.dirs=/\\ub0b4 \\uc9d1/a\\\\b/\\ud83c\\udfb5\n"
    assert text.encode("ascii")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp949"])
def test_a_terminal_gets_what_it_can_print(encoding: str) -> None:
    code = (
        "from workshop_lib.runtime.console import out;"
        "from rich.table import Table; t = Table('█ –', '곡 … ★');"
        "t.add_row('→', '✓'); out.print(t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    text = done.stdout.decode(encoding)
    assert (("█" if encoding == "utf-8" else "# -") in text and "v" in text) or "✓" in text


def test_a_checkout_with_line_ends_of_windows_has_ours(tmp_path: Path) -> None:
    """Scripts that a container runs, and files that are hashed, are the same everywhere."""
    if not (PROJECT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no clone of git, or no git")
    windows = ["git", "-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    clone = [*windows, "clone", "--quiet", "--depth=1", PROJECT.as_uri(), str(tmp_path / "clone")]
    subprocess.run(clone, check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", str(tmp_path / "clone"), "ls-files", "--eol"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(listed) > 300
    other = [line.split("\t")[1] for line in listed if re.search(r"w/(crlf|mixed)", line)]
    assert all(path.startswith("tests/files/import/") for path in other), other


# All of it at once ----------------------------------------------------------------------

JOB = """
import os
os.umask(0o077)
import workshop_lib
from workshop_lib.runtime import environment
from workshop_lib.settings import Settings
from workshop_lib.stream.session import spark_session

settings = Settings(spark_master="local[1]", shuffle_partitions=1)
spark = spark_session(settings, short=True)
where = str(settings.home / "자료")
spark.range(3).write.parquet(where)
print(spark.read.parquet(where).rdd.map(lambda row: row.id).sum())
print(spark.sparkContext._jvm.System.getProperty("java.home"))
print(sorted(environment.ignored()))
print(spark.sparkContext._jvm.System.getProperty("java.io.tmpdir").startswith(str(settings.home)))
spark.stop()
"""


@pytest.mark.spark
def test_spark_runs_in_an_odd_folder_with_everything_set_wrong(tmp_path: Path) -> None:
    """Clone and home with spaces and Hangul, the C locale, umask 077, no HOME, another Spark and
    Java in the environment, a dead proxy, a zone with summer time."""
    clone = tmp_path / ODD
    clone.mkdir()
    (clone / "workshop_lib").symlink_to(PROJECT / "workshop_lib")
    fake = tmp_path / "spark" / "python"
    (fake / "pyspark").mkdir(parents=True)
    (fake / "pyspark" / "__init__.py").write_text("raise ImportError('another Spark')\n")
    wrong = {
        **{"SPARK_HOME": "/nonexistent", "SPARK_CONF_DIR": "/nonexistent"},
        **{"PYSPARK_PYTHON": "/bin/false", "PYSPARK_SUBMIT_ARGS": "--master spark://x:1 x"},
        **{"JAVA_TOOL_OPTIONS": "-Xmx1m", "JAVA_HOME": str(tmp_path / "no java")},
    }
    done = subprocess.run(
        [sys.executable, "-c", JOB],
        env={
            **wrong,
            **{"PATH": os.environ["PATH"], "PYTHONPATH": f"{fake}:{clone}", "LC_ALL": "C"},
            **{"HOME": "/nonexistent", "TZ": "America/New_York"},
            **{"http_proxy": "http://127.0.0.1:9", "WORKSHOP_CACHE": str(artifacts.cache())},
            "WORKSHOP_HOME": str(tmp_path / f"{ODD} 집"),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    total, home, ignored, temporary = done.stdout.splitlines()
    assert (total, home, temporary) == ("3", str(java.find().home), "True")
    assert ignored == str(sorted({*wrong, "PYTHONPATH"} - {"JAVA_HOME"}))
