"""Which Java is taken, and what is said where none will do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import java


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
  -version) printf 'openjdk version "{version}"\\n' >&2 ;;
  *--list-modules) printf '    java.home = {home}\\n    java.version = {version}\\n' >&2
    printf '{listed}' ;;
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
    monkeypatch.delenv("JAVA_HOME")  # one that is named and is not there is said
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
