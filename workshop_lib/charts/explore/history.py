"""The searches that were shown: a list to go back and forward in, as in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

State = TypeVar("State")


@dataclass
class History(Generic[State]):
    """States in the order they were visited; ``place`` is the number of the present one."""

    states: list[State] = field(default_factory=list)
    place: int = -1

    def visit(self, state: State) -> None:
        """Go to ``state``; what was ahead is forgotten. The present one is not visited again."""
        if not self.states or self.states[self.place] != state:
            self.place += 1
            self.states[self.place :] = [state]

    def back(self) -> State:
        self.place = max(0, self.place - 1)
        return self.states[self.place]

    def forward(self) -> State:
        self.place = min(len(self.states) - 1, self.place + 1)
        return self.states[self.place]

    @property
    def can_go_back(self) -> bool:
        return self.place > 0

    @property
    def can_go_forward(self) -> bool:
        return self.place < len(self.states) - 1
