"""Kibana's query language (KQL) as Lucene's, which the query_string of Elasticsearch reads.

In: the text of the search field. Out: the same in Lucene syntax. Read as Lucene, KQL would mean
something else without a message: ``and``, ``or``, ``not`` would be words to look for, and so would
``>=`` in ``age >= 50`` and the second word of ``artist:Wild Letters``. Text without any of these
is Lucene already and stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

from workshop_lib.errors import WorkshopError

#: What only KQL has, once what is in quotes is taken away.
_KQL: Final = re.compile(
    r"(?<![^\s()])(?:[Aa]nd|[Oo]r|[Nn]ot)(?![^\s()])"  # words between spaces or brackets
    r"|(?<![:<>=])[<>]=?"  # a comparison without Lucene's colon
    r"|\s:|:\s|:\s*\{\s*\w+\s*[:<>]"  # spaces around a colon; a nested query
)
#: Several words after a colon are one value in KQL; to Lucene all but the first are of any field.
_SEVERAL: Final = re.compile(
    r":(?:\\.|[^\s():<>=\"\\])+\s+(?!(?:AND|OR|NOT)\b)(?:\\.|[^\s():<>=\"\\])+(?![^\s()]*[:<>=(])"
)
_QUOTED: Final = r'"(?:\\.|[^"\\])*"'
_TOKEN: Final = re.compile(rf'\s*({_QUOTED}|<=|>=|[():<>]|(?:\\.|[^\s():<>="\\])+)')
_LUCENE_ONLY: Final = re.compile(r"[\[\]{}~^+/]|&&|\|\||^-|\s-")
_WORDS: Final = ("and", "or", "not")


def lucene(text: str) -> str:
    """``text`` in Lucene syntax. Raises ``WorkshopError`` when it is neither Lucene nor KQL."""
    bare = re.sub(_QUOTED, '""', text)
    found = _LUCENE_ONLY.search(bare)
    if not _KQL.search(bare) and (found or not _SEVERAL.search(bare)):
        return text
    if found:
        raise WorkshopError(
            f"The query mixes KQL with {found.group().strip()!r} of Lucene.",
            "For Lucene write AND, OR, NOT in capitals and age:>=50 without spaces.",
        )
    return _Parser(text).query()


class _Parser:
    """Reads one text from left to right; each method returns its part in Lucene syntax."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)
        if re.sub(r"\s", "", "".join(self.tokens)) != re.sub(r"\s", "", text):
            raise self._unreadable("a quote that is not closed, or a lone =")

    def query(self) -> str:
        query = self._either("")
        if self.tokens:
            raise self._unreadable(self.tokens[0])
        return query

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _take(self, *words: str) -> bool:
        if self._next().lower() not in words:
            return False
        self.tokens.pop(0)
        return True

    def _either(self, field: str) -> str:
        parts = [self._both(field)]
        while self._take("or"):
            parts.append(self._both(field))
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _both(self, field: str) -> str:
        parts = [self._one(field)]
        while self._take("and"):
            parts.append(self._one(field))
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _one(self, field: str) -> str:
        """A condition; within ``field:( … )`` a value of ``field``."""
        if self._take("not"):
            return f"(*:* AND NOT {self._one(field)})"  # alone, a NOT finds nothing
        if self._take("("):
            query = self._either(field)
            if not self._take(")"):
                raise self._unreadable("a bracket that is not closed")
            return query
        words = self._phrase()
        operator = self._next()
        if field or operator not in (":", "<", ">", "<=", ">="):
            return f"{field}:{words}" if field else words
        self.tokens.pop(0)
        if operator == ":" and self._next() in ("<", ">", "<=", ">="):  # Lucene's age:>=50
            operator = self.tokens.pop(0)
        if operator == ":" and self._next() == "(":
            return self._one(words)
        return f"{words}:{'' if operator == ':' else operator}{self._phrase()}"

    def _phrase(self) -> str:
        """Words up to the next operator; several are one value, as KQL reads them."""
        words: list[str] = []
        while self.tokens and self._next() not in ("(", ")", ":", "<", ">", "<=", ">="):
            if self._next().lower() in _WORDS:
                break
            words.append(self.tokens.pop(0))
        if not words:
            raise self._unreadable(self._next() or "its end")
        if len(words) == 1:
            return words[0]
        return "\\ ".join(words) if "*" in "".join(words) else f'"{" ".join(words)}"'

    def _unreadable(self, where: str) -> WorkshopError:
        return WorkshopError(
            f"The query {self.text!r} cannot be read as KQL: {where}.",
            "Write for example: device:mobile and age >= 50.",
        )
