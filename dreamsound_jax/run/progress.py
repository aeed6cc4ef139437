"""Shows how far a run has come, and how long it still takes."""

import logging
import sys
import threading
import time

from tqdm import tqdm

log = logging.getLogger(__name__)

# Where there is no terminal, a line is logged so often.
SECONDS_BETWEEN_LINES = 30.0
_FORMAT = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"


class Progress:
    """A bar on a terminal, or a line now and then where there is none; a context.

    It counts clips, and of the clips that are being dreamed the share of their work that is done.
    """

    def __init__(self, total: int, done: int, *, shown: bool = True):
        """Begins to count.

        Args:
          total: how many clips there are.
          done: how many of them are done already.
          shown: whether anything is shown.
        """
        self._total, self._begun_with, self._counted = total, done, float(done)
        self._batch, self._share, self._words = 0, 0.0, ""
        self._started, self._ended = time.monotonic(), threading.Event()
        on_terminal = bool(getattr(sys.stderr, "isatty", lambda: False)())
        self._bar = tqdm(
            total=total,
            initial=done,
            desc="dreaming",
            bar_format=_FORMAT,
            disable=not (shown and on_terminal),
            leave=False,
        )
        self._thread = threading.Thread(target=self._log_now_and_then, daemon=True)
        if shown and not on_terminal:
            self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._bar.close()

    def begin(self, clips: int) -> None:
        """Begins to count a batch of so many clips; one that was begun before is given up."""
        self._batch, self._share, self._words = clips, 0.0, ""
        self._show()

    def report(self, share: float, words: str) -> None:
        """Counts a share of the work of the batch, from 0 to 1, and says what is done now."""
        self._share, self._words = share, words
        self._show()

    def end(self, clips: int) -> None:
        """Counts so many clips as dreamed, or as failed."""
        self._counted += clips
        self._batch, self._share, self._words = 0, 0.0, ""
        self._show()

    def describe(self) -> str:
        """Says in one line how far the run has come."""
        counted = self._counted + self._share * self._batch
        words = f"{self._words}; " if self._words else ""
        line = f"{words}{int(self._counted)} of {self._total} clips are dreamed"
        here = counted - self._begun_with
        if here <= 0:
            return line
        left = (time.monotonic() - self._started) * (self._total - counted) / here
        return f"{line} ({100 * counted / self._total:.0f}%), about {_duration(left)} left"

    def _show(self):
        clips = f"clip {min(int(self._counted) + 1, self._total)} of {self._total}"
        several = [clips] if self._total > 1 else []
        self._bar.n = self._counted + self._share * self._batch
        self._bar.set_postfix_str(", ".join([*several, *filter(None, [self._words])]))

    def _log_now_and_then(self):
        while not self._ended.wait(SECONDS_BETWEEN_LINES):
            log.info("%s", self.describe())


def _duration(seconds):
    """Writes a duration in a few words, such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
