"""KQL in the search field is read as KQL, or refused; Lucene stays as it is."""

from __future__ import annotations

import pytest

from workshop_lib.charts.kql import lucene
from workshop_lib.errors import WorkshopError


@pytest.mark.parametrize(
    "text",
    [
        "",
        "device:mobile AND age:>=50",
        "is_mobile:true AND zip:9*",
        "age:[20 TO 30]",
        "age:{20 TO 30}",
        'title:"this and that or not > 5"',
        "title:sand* OR artist:Nottingham",
        "-device:pc +level:Gold",
        "device:mobile AND",
        "title:*",
        "device:mobile level:Gold",
        "device:mobile OR level:Gold AND age:>50",
        "title:Hey~ Jude",
        "ABBA",
    ],
)
def test_lucene_stays_as_it_is(text: str) -> None:
    assert lucene(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("device:mobile and age >= 50", "(device:mobile AND age:>=50)"),
        ("age>=50", "age:>=50"),
        ("device:mobile and age:>=50", "(device:mobile AND age:>=50)"),
        ("dimension : all", "dimension:all"),
        ("not device:pc", "(*:* AND NOT device:pc)"),
        ("state:(CA or TX)", "(state:CA OR state:TX)"),
        ("state:(not CA)", "(*:* AND NOT state:CA)"),
        ("a:1 or b:2 and c:3", "(a:1 OR (b:2 AND c:3))"),
        ("(a:1 or b:2) and c:3", "((a:1 OR b:2) AND c:3)"),
        ("a:1 AND not b:2", "(a:1 AND (*:* AND NOT b:2))"),
        ('title:"rock and roll" or age < 20', '(title:"rock and roll" OR age:<20)'),
        ("title:Hey Jude and age:*", '(title:"Hey Jude" AND age:*)'),
        ("title:Hey J* and age:*", r"(title:Hey\ J* AND age:*)"),
        ('played_at > "2026-01-31T12:00"', 'played_at:>"2026-01-31T12:00"'),
        ("ABBA and mobile", "(ABBA AND mobile)"),
        ("artist:The Wild Letters", 'artist:"The Wild Letters"'),
        ("artist:The Wild Letters AND age:>=50", '(artist:"The Wild Letters" AND age:>=50)'),
    ],
)
def test_kql_is_understood(text: str, expected: str) -> None:
    assert lucene(text) == expected
    assert lucene(expected) == expected, "what comes out is Lucene"


@pytest.mark.parametrize(
    "text",
    [
        "device:mobile and",
        "and device:mobile",
        "(device:mobile or device:pc",
        "device:mobile and )",
        'device:mobile and title:"open',
        "age >=",
        "age = 50 and device:pc",
        "items:{ name:x and y:1 }",
        "age:[20 TO 30] and device:pc",
        "device:mobile or +age:50",
    ],
)
def test_what_is_neither_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(WorkshopError) as error:
        lucene(text)
    assert "\n" not in str(error.value)
