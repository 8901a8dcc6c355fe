"""The schema is the one home of its names: nothing else in the code spells them out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from workshop_lib.schema import generated, names
from workshop_lib.schema.labels import AGE_LABELS, GENDER, LEVEL, UNKNOWN
from workshop_lib.schema.play import FIELDS, PATTERNS, PLAY, Play
from workshop_lib.schema.tables import KINDS
from workshop_lib.settings import PROJECT

VALUES = {v for n, v in vars(names).items() if n.isupper() and isinstance(v, str)}
PREFIXES = tuple(v for v in VALUES if v.endswith(":"))
#: These are ordinary words, too: names of columns, of parts of an answer, of folders.
WORDS = frozenset({"plays", "interests", "targets", "models", "sms", "aggregates", "optouts"})
NAMED = re.compile(r"INDEX|INDICES|TOPIC|QUER|KEY|index|topic|quer|key|more")


def spelled(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each literal in ``source`` that is a name of the schema."""
    tree = ast.parse(source)
    strings = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = {id(node) for node in _naming(tree)}
    for node in strings:
        text = node.value
        distinct = (text in VALUES and text not in WORDS) or text.startswith(PREFIXES)
        if distinct or (text in WORDS and id(node) in named):
            yield node.lineno, text


def _naming(tree: ast.AST) -> Iterator[ast.expr]:
    """Expressions where a word names a topic, an index, a query or a key."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            method = function.attr if isinstance(function, ast.Attribute) else ""
            if method in {"topic", "index", "key"} or ast.unparse(function) == "document":
                yield from _inside(node.args)
            yield from _inside(_named_first(node.args))
            yield from _inside(k.value for k in node.keywords if k.arg and NAMED.search(k.arg))
        elif isinstance(node, ast.FunctionDef):
            arguments = node.args
            with_default = [*arguments.posonlyargs, *arguments.args][-len(arguments.defaults) :]
            for each, default in zip(with_default, arguments.defaults, strict=False):
                if NAMED.search(each.arg):
                    yield from _inside([default])
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(NAMED.search(ast.unparse(target)) for target in targets):
                yield from _inside([node.value])
        elif isinstance(node, ast.For) and NAMED.search(ast.unparse(node.target)):
            yield from _inside([node.iter])


def _named_first(arguments: list[ast.expr]) -> list[ast.expr]:
    """Of a call with ``settings``: the first argument after it that is a literal or a constant's
    name, which is that of an index or a query; what follows are fields."""
    texts = [ast.unparse(each) for each in arguments]
    for settings in ("settings", "self.settings"):
        if settings in texts:
            after = arguments[texts.index(settings) + 1 :]
            return [
                each
                for each in after
                if isinstance(each, ast.Constant) or ast.unparse(each).isupper()
            ][:1]
    return []


def _inside(expressions: Iterator[ast.expr] | list[ast.expr]) -> Iterator[ast.expr]:
    """The expressions, and the parts of those that are tuples, lists, sets or dicts."""
    for each in expressions:
        yield each
        if isinstance(each, ast.Tuple | ast.List | ast.Set):
            yield from _inside(each.elts)
        elif isinstance(each, ast.Dict):
            yield from _inside([key for key in each.keys if key])
            yield from _inside(each.values)
        elif isinstance(each, ast.Starred):
            yield from _inside([each.value])


@pytest.mark.parametrize("path", generated.files(), ids=lambda path: path.name)
def test_what_is_generated_for_other_languages_is_what_the_schema_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated.files()[path], "run `make generate`"


def test_the_play_s_forms_have_the_same_fields() -> None:
    assert Play._fields == tuple(FIELDS)
    assert {kind for kind in PLAY.values()} <= set(KINDS)


def test_the_play_s_patterns_stand_once() -> None:
    library = PROJECT / "workshop_lib"
    files = [*library.rglob("*.py"), *(PROJECT / "docker" / "logstash").rglob("*.rb")]
    for name in ("zip", "played_at"):
        with_it = [path.name for path in files if PATTERNS[name] in path.read_text("utf-8")]
        assert with_it == ["play.py"], f"take PATTERNS[{name!r}] of workshop_lib/schema/play.py"


def test_no_name_of_the_schema_is_spelled_out_elsewhere() -> None:
    library = PROJECT / "workshop_lib"
    files = [p for p in library.rglob("*.py") if not p.is_relative_to(library / "schema")]
    assert len(files) > 100
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {text!r}"
        for path in files
        for line, text in spelled(path.read_text(encoding="utf-8"))
    ]
    assert not found, "take these from workshop_lib/schema/names.py:\n" + "\n".join(found)


def spelled_in_javascript(source: str) -> list[str]:
    """The literals of the page's server that are names or labels of the schema."""
    code = re.sub(r"//.*", "", source)
    literals = re.findall(r"'([^'\\n]*)'|`([^`$]*)", code)
    labels_ = {*AGE_LABELS, *LEVEL.values(), *GENDER.values(), UNKNOWN}
    distinct = (VALUES - WORDS) | labels_
    found = [text for pair in literals for text in pair if text in distinct]
    found += [text for pair in literals for text in pair if text.startswith(PREFIXES)]
    # [index, body] is how a question is put; ``key`` makes the name of a Redis key.
    found += re.findall(rf"(?:\[|key\(|^ +)'({'|'.join(WORDS)})',", code, re.MULTILINE)
    return found


def test_the_page_s_server_takes_its_names_from_the_contract() -> None:
    for path in (PROJECT / "web" / "server").glob("*.js"):
        assert not spelled_in_javascript(path.read_text(encoding="utf-8")), path.name
    for wrong in ("ask(['plays', {}])", "get('sms:dead')", "`live:${at}`", "['', 'Gold']"):
        assert spelled_in_javascript(wrong), wrong


def test_the_page_offers_the_labels_that_its_server_takes() -> None:
    page = (PROJECT / "web" / "page" / "index.html").read_text(encoding="utf-8")
    labels_ = generated.web_contract()["labels"]
    for name in ("device", "gender", "level"):
        select = re.search(rf'<select name="{name}">(.*?)</select>', page, re.DOTALL)
        assert select and re.findall(r"<option>(.*?)</option>", select[1]) == labels_[name]


@pytest.mark.parametrize(
    "code",
    [
        'client.count(index=settings.index("plays"))',
        'INDEX = "plays-raw"',
        'redis.get(settings.key(f"interests:{customer}"))',
        'QUERIES = ("targets", other)',
        'progress(settings, "aggregates")',
        'documents(settings, "sms", "status")',
        'create_index(settings, client, "models")',
        'def plays_by(settings, index: str = "plays"): ...',
        'for query in ("plays", "targets"): ...',
        'run(queries=["interests"])',
        'bulk(topic, "plays.dlq")',
        'client.set("sms:outbox", 1)',
        'document(rows, "plays", id_)',
    ],
)
def test_a_name_that_is_spelled_out_is_found(code: str) -> None:
    assert list(spelled(code))


@pytest.mark.parametrize(
    "code",
    [
        'table["plays"].sum()',
        'F.count("*").alias("plays")',
        'def f():\n    """Out: index ``plays-raw``."""',
        'sizes = {"customers": 1, "plays": 2}',
        'folder = settings.home / "models"',
        "client.count(index=settings.index(PLAYS_INDEX))",
        'documents(settings, PLAYS_PER_MINUTE_INDEX, "minute", "plays")',
    ],
)
def test_the_same_word_as_a_column_or_in_prose_is_not(code: str) -> None:
    assert not list(spelled(code))


def test_reset_knows_every_key_of_redis() -> None:
    text = (PROJECT / "workshop_lib" / "schema" / "names.py").read_text()
    redis = text[text.index("# Redis ---") : text.index("#: Key without prefix")]
    prefixes = text[text.index("# The first parts of keys") : text.index("#: Patterns of all keys")]
    keys = [m[1] for m in re.finditer(r'^\w+: Final = "(.+)"', redis + prefixes, re.MULTILINE)]
    keys.remove(names.SMS_GROUP)  # of a stream, no key
    assert len(keys) > 12
    assert [k for k in keys if not any(fnmatch(k + "1", p) or k == p for p in names.ALL_KEYS)] == []
