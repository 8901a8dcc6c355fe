"""``view(query, settings)``: the learner's running query as a picture that moves.

In: a query that reads Kafka, Settings of the place, and, to run the same records again, the
learner's own function that starts the query with another delay of the watermark. Out: a widget.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets
from IPython.display import DisplayHandle, display
from pyspark.sql.streaming import StreamingQuery

from workshop_lib.charts.pictures.style import Picture
from workshop_lib.lessons.live_view import pictures
from workshop_lib.lessons.live_view.follow import batches, shape_of
from workshop_lib.lessons.live_view.frames import DROPPED, REPEATED, Frame, frames
from workshop_lib.lessons.live_view.shape import Shape
from workshop_lib.runtime.wait import wait_until
from workshop_lib.settings import Settings

#: What the slider offers, in minutes.
LATENESSES: Final = (0, 5, 10, 15, 20, 30, 60)
#: The browser gets so many frames and dots at most, each time; older ones are in the sums.
KEPT: Final = 100
DOTS: Final = 2000
HERE: Final = Path(__file__).parent


def newest(frames: Sequence[Frame]) -> list[dict[str, Any]]:
    """The last frames for the browser: the newest, and as many before it as are allowed."""
    dots = accumulate(len(frame.dots) for frame in reversed(frames[-KEPT:]))
    count = max(1, sum(number <= DOTS for number in dots))
    return [frame.as_data() for frame in frames[-count:]]


class Player(anywidget.AnyWidget):
    """Frames in the browser, with play, pause and step. Where there is no browser, a picture."""

    _esm = HERE / "player.js"
    _css = HERE / "player.css"
    kind = traitlets.Unicode("stream").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    frames: traitlets.List[Any] = traitlets.List().tag(sync=True)
    position = traitlets.Int(-1).tag(sync=True)  # -1: the newest
    note = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Unicode().tag(sync=True)
    choices: traitlets.List[int] = traitlets.List().tag(sync=True)
    late = traitlets.Int(0).tag(sync=True)
    runs: traitlets.List[str] = traitlets.List().tag(sync=True)

    _shown: DisplayHandle | None = None

    def picture(self) -> Picture:
        """The last frame, for where no widget can be shown."""
        raise NotImplementedError

    def _bundle(self) -> dict[str, Any]:
        still = self.picture()
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
            "text/plain": repr(still),
            "text/html": still._repr_html_(),
            "image/png": b64encode(still.png).decode(),
        }

    def _ipython_display_(self) -> None:
        self._shown = display(self._bundle(), raw=True, display_id=True)

    def _show_last(self) -> None:
        """Where the notebook is kept or printed, the last frame is what it shows."""
        if self._shown:
            self._shown.update(self._bundle(), raw=True)


class StreamView(Player):
    """A query's batches. ``all_frames`` are those of its last run, from its first batch."""

    def __init__(
        self,
        query: StreamingQuery,
        settings: Settings,
        again: Callable[[str], StreamingQuery] | None = None,
        title: str = "Your stream",
    ) -> None:
        self.all_frames: list[Frame] = []
        self.query, self._settings, self._again = query, settings, again
        self._shape, self._stop = shape_of(query), threading.Event()
        self._thread: threading.Thread | None = None
        late = (self._shape.delay or 0) // 60_000
        choices = sorted({late, *LATENESSES}) if again and self._shape.delay is not None else []
        super().__init__(title=title, late=late, choices=choices)
        self.observe(self._run_again, "late")
        self._follow(query, self._shape)

    def picture(self) -> Picture:
        return pictures.draw(self.all_frames, self.title)

    def until(self, counted: int, timeout: float = 90) -> None:
        """Show it, and wait until so many records are counted. Raises the query's exception if it
        fails, ``WorkshopError`` after ``timeout`` seconds."""
        display(self)

        def done() -> bool:
            error = self.query.exception()
            if error:
                raise error
            return self.counted >= counted

        wait_until(done, timeout, f"{counted} records to be counted")
        self._show_last()

    def settled(self) -> None:
        """Wait until all is drawn of a query that has ended."""
        if self._thread:
            self._thread.join()
        self._show_last()

    @property
    def counted(self) -> int:
        """Records that the query has counted."""
        gone = (DROPPED, REPEATED)
        return sum(dot.kind not in gone for frame in self.all_frames for dot in frame.dots)

    @property
    def dropped(self) -> int:
        """Records that are marked as dropped."""
        return sum(frame.count(DROPPED) for frame in self.all_frames)

    def close(self) -> None:
        self._stop.set()
        super().close()

    def _follow(self, query: StreamingQuery, shape: Shape) -> None:
        """At once what a query has done that has ended; else in the background, as it comes."""
        if not query.isActive:
            self._take(query, shape)
            return
        self._thread = threading.Thread(target=self._take, args=(query, shape), daemon=True)
        self._thread.start()

    def _take(self, query: StreamingQuery, shape: Shape) -> None:
        try:
            for frame in frames(shape, batches(query, self._settings, self._stop)):
                self.all_frames.append(frame)
                self.frames = newest(self.all_frames)
        except Exception as error:  # the picture ends, not the query; and it says so
            self.note = f"The picture has ended: {error}"
            return
        counted, spark = self.counted, sum(frame.spark_dropped for frame in self.all_frames)
        state = max((frame.state_rows for frame in self.all_frames), default=0)
        summary = (
            f"counted {counted}, dropped {self.dropped} (Spark: {spark} rows), state {state} rows"
        )
        if shape.delay is not None:
            summary = f"waited {shape.delay // 60_000} minutes: {summary}"
        self.runs = [*self.runs, summary]

    def _run_again(self, change: dict[str, Any]) -> None:
        if not self._again:
            return
        self.busy = f"Running the same records again, with {change['new']} minutes …"
        try:
            self.query = self._again(f"{change['new']} minutes")
            self.all_frames, self.frames, self.note = [], [], ""
            self._follow(self.query, shape_of(self.query))
        except Exception as error:
            self.note = f"It did not run: {error}"
        finally:
            self.busy = ""


def view(
    query: StreamingQuery,
    settings: Settings,
    again: Callable[[str], StreamingQuery] | None = None,
    title: str = "Your stream",
) -> StreamView:
    """A live picture of ``query``, which reads a topic of ``settings``.

    ``again`` is a function of yours that runs the query again, from the first record, with the
    delay of the watermark that it is given ("20 minutes"), and returns it: the picture then has a
    slider for lateness.
    """
    return StreamView(query, settings, again, title)
