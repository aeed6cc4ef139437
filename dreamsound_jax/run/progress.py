"""Shows how far a run has come, and how long it still takes."""

import logging
import sys
import threading
import time

from tqdm import tqdm

log = logging.getLogger(__name__)

# Where there is no terminal, a line is logged so often; on a terminal, the bar is drawn so often.
SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_BARS = 1.0
_FORMAT = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}{postfix}]"


class Progress:
    """A bar on a terminal, or a line now and then where there is none; a context.

    It counts clips, and of the clips that are being dreamed the share of their work that is done.
    This is known only when a piece of the work ends, such as a level or a round. Until then it is
    estimated from the time that the last piece took.
    """

    def __init__(self, total: int, done: int, *, shown: bool = True):
        """Begins to count.

        Args:
          total: how many clips there are.
          done: how many of them are done already.
          shown: whether anything is shown.
        """
        self._total, self._counted = total, float(done)
        # Clips and parts of clips that this run did not dream itself, or could not read.
        self._skipped = float(done)
        self._batch, self._share, self._until, self._words = 0, 0.0, 0.0, ""
        self._reported, self._seconds_per_clip = False, None
        self._tells_time = False
        self._started = self._piece_began = time.monotonic()
        self._lock, self._ended = threading.Lock(), threading.Event()
        on_terminal = bool(getattr(sys.stderr, "isatty", lambda: False)())
        self._bar = tqdm(
            total=total,
            initial=done,
            desc="dreaming",
            bar_format=_FORMAT,
            disable=not (shown and on_terminal),
            leave=False,
        )
        show = self._show if on_terminal else self._log
        seconds = SECONDS_BETWEEN_BARS if on_terminal else SECONDS_BETWEEN_LINES
        self._thread = threading.Thread(
            target=self._repeat, args=(show, seconds), name="progress", daemon=True
        )
        if shown:
            self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        with self._lock:
            self._bar.close()

    def begin(self, clips: int) -> None:
        """Begins to count a batch of so many clips; one that was begun before is given up."""
        with self._lock:
            self._begin_piece(clips, 0.0, 0.0, "")
            self._reported = False
        self._show()

    def report(self, share: float, words: str, *, until: float) -> None:
        """Counts a share of the work of the batch.

        The first report of a batch says where its work begins, which is not 0 if it is resumed.

        Args:
          share: of the work that is done, from 0 to 1.
          words: what is done now.
          until: the share of the work that is done after that.
        """
        with self._lock:
            if self._reported:
                self._measure_piece(share, until)
            else:
                self._skipped += share * self._batch
            self._begin_piece(self._batch, share, min(until, 1.0), words)
            self._reported = True
        self._show()

    def end(self, clips: int) -> None:
        """Counts so many clips as dreamed, or as failed."""
        with self._lock:
            if self._reported:
                self._measure_piece(1.0, until=1.0)
            else:
                self._skipped += clips
            self._counted += clips
            self._begin_piece(0, 0.0, 0.0, "")
            self._reported = False
        self._show()

    def describe(self) -> str:
        """Says in one line how far the run has come."""
        with self._lock:
            words = f"{self._words}; " if self._words else ""
            line = f"{words}{int(self._counted)} of {self._total} clips are dreamed"
            share, left = self._estimate_counted() / self._total, self._estimate_left()
        return line if left is None else f"{line} ({share:.0%}), {left}"

    def _measure_piece(self, share, until):
        """Measures the piece of work that ends with a share of the batch.

        By a first piece that is far smaller than the next, which ends at `until`, no time is told:
        most of it is overhead.
        """
        clips = (share - self._share) * self._batch
        if clips <= 0:
            return
        is_first = self._seconds_per_clip is None
        self._seconds_per_clip = (time.monotonic() - self._piece_began) / clips
        if is_first and (until - share) * self._batch > 2 * clips:
            self._skipped += clips
        else:
            self._tells_time = True

    def _begin_piece(self, clips, share, until, words):
        self._batch, self._share, self._until, self._words = clips, share, until, words
        self._piece_began = time.monotonic()
        if not self._tells_time:
            # What came before the first piece, such as compiling, does not come again.
            self._started = self._piece_began

    def _estimate_counted(self):
        """Returns how many clips are dreamed, with a part for those that are being dreamed."""
        part = self._share * self._batch
        if self._seconds_per_clip:
            part += (time.monotonic() - self._piece_began) / self._seconds_per_clip
            part = min(part, self._until * self._batch)
        return self._counted + part

    def _estimate_left(self):
        """Says in words how long the run still takes; None before enough has ended to tell."""
        counted = self._estimate_counted()
        if not self._tells_time or counted <= self._skipped:
            return None
        if counted >= self._total:
            return "writing files"
        seconds_per_clip = (time.monotonic() - self._started) / (counted - self._skipped)
        return f"about {_duration(seconds_per_clip * (self._total - counted))} left"

    def _show(self):
        with self._lock:
            if self._ended.is_set():
                return
            clips = f"clip {min(int(self._counted) + 1, self._total)} of {self._total}"
            several = clips if self._total > 1 else None
            self._bar.n = self._estimate_counted()
            words = [self._estimate_left(), several, self._words]
            self._bar.set_postfix_str(", ".join(filter(None, words)))

    def _log(self):
        log.info("%s", self.describe())

    def _repeat(self, show, seconds):
        while not self._ended.wait(seconds):
            show()


def _duration(seconds):
    """Writes a duration in a few words, such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
