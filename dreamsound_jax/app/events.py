"""What happens on the page."""

import html
import secrets
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from dreamsound_jax.app import choices as known
from dreamsound_jax.app.choices import Choices
from dreamsound_jax.app.dreamer import Dreamer
from dreamsound_jax.app.jobs import Doing, Done, Job, Message, Refused, check_upload
from dreamsound_jax.app.page import Buttons, Chosen, Shown, or_preset
from dreamsound_jax.system.errors import UserError

# Nothing covers the results while they change, and no other program calls what happens by a name.
_QUIET: Any = {"show_progress": "hidden", "api_visibility": "private"}

Changes = dict[Any, Any]
"""{component: its new value or properties}."""


def connect(
    page: gr.Blocks,
    chosen: Chosen,
    buttons: Buttons,
    shown: Shown,
    *,
    dreamer: Dreamer,
    folder: Path,
) -> None:
    """Connects the parts of the page with what they do.

    Args:
      page, chosen, buttons, shown: what `page.build` returns.
      dreamer: does the jobs.
      folder: where Gradio puts what is uploaded, and where results are written.
    """

    def on_sound(sound: str | None) -> Changes:
        return {shown.given: gr.HTML(play_sound(sound), visible=sound is not None)}

    def on_dream(request: gr.Request, *values: Any) -> Iterator[Changes]:
        began, command = time.monotonic(), ""
        try:
            job, command = _make_job(Chosen(*values), folder)
            messages = dreamer.dream(job, owner=str(request.session_hash))
        except UserError as error:
            messages = iter([Refused(str(error))])
        for message in messages:
            seconds = time.monotonic() - began
            changes = {shown.status: describe(message, seconds)}
            changes |= _change_buttons(buttons, is_busy=isinstance(message, Doing))
            if isinstance(message, Done):
                changes |= _change_results(shown, message, command)
            yield changes

    def on_stop(request: gr.Request) -> None:
        dreamer.stop(str(request.session_hash))

    def on_preset_or_model(preset: str, model: str) -> Changes:
        card = known.card_of(preset or None, model or None)
        return {
            chosen.preset: gr.Dropdown(info=known.describe_preset(preset or None)),
            chosen.target_class: gr.Dropdown(or_preset(known.class_names(card)), value=""),
            chosen.layer: gr.Dropdown(or_preset(known.layer_names(card)), value=""),
        }

    with page:
        chosen.sound.change(on_sound, [chosen.sound], [shown.given], queue=False, **_QUIET)
        # The dreamer lets jobs wait for each other, and says so.
        buttons.go.click(on_dream, [*chosen], [*buttons, *shown], concurrency_limit=None, **_QUIET)
        buttons.stop.click(on_stop, queue=False, **_QUIET)
        for changed in (chosen.preset, chosen.model):
            changed.input(
                on_preset_or_model,
                [chosen.preset, chosen.model],
                [chosen.preset, chosen.target_class, chosen.layer],
                queue=False,
                **_QUIET,
            )
        page.unload(on_stop)


def _make_job(values: Any, folder: Path) -> tuple[Job, str]:
    """Returns the job that was asked for, and the command that does the same.

    Raises:
      UserError: something is missing, or not possible.
    """
    sound = check_upload(values.sound, folder)
    choices = Choices(
        preset=values.preset or None,
        strength=values.strength,
        model=values.model or None,
        target_class=values.target_class or None,
        layer=values.layer or None,
        mix=values.mix,
        seed=int(values.seed or 0),
    )
    place = folder / f"dream-{secrets.token_hex(8)}"
    place.mkdir(mode=0o700)
    job = Job(sound, str(place), choices.options(), bool(values.video))
    return job, choices.command(Path(sound).name, makes_video=job.makes_video)


def _change_buttons(buttons: Buttons, *, is_busy: bool) -> Changes:
    return {
        buttons.go: gr.Button("Dreaming" if is_busy else "Dream", interactive=not is_busy),
        buttons.stop: gr.Button(visible=is_busy),
    }


def _change_results(shown: Shown, done: Done, command: str) -> Changes:
    return {
        shown.results: gr.Column(visible=True),
        shown.before: done.before,
        shown.after: done.after,
        shown.picture: done.picture,
        shown.download: gr.DownloadButton(value=done.after),
        shown.film: gr.DownloadButton(value=done.video, visible=done.video is not None),
        shown.command: command,
    }


def play_sound(path: str | None) -> str:
    """Returns a player of what was dropped, as HTML, or words where the browser cannot play it."""
    if path is None:
        return ""
    address = html.escape(f"gradio_api/file={urllib.parse.quote(path)}")
    words = "This browser cannot play this file; it can be dreamed on all the same."
    failed = f"this.replaceWith('{words}')"
    return f'<audio controls preload="metadata" src="{address}" onerror="{failed}"></audio>'


def describe(message: Message, seconds: float) -> str:
    """Returns what is said of a job that was begun so many seconds ago, as HTML."""
    if isinstance(message, Doing):
        words, done = message.words, 0.0
        if message.of:
            words = f"{words}: pass {message.number} of {message.of}"
            done = (message.number - 1) / message.of
        return _say(f"{words}, {seconds:.0f} s") + f'<progress value="{done:.2f}"></progress>'
    if isinstance(message, Done):
        return _say(f"Done: {message.words}.")
    if isinstance(message, Refused):
        return _say(message.reason, kind="refused")
    return _say("Stopped.")


def _say(text: str, *, kind: str = "said") -> str:
    return f'<div class="{kind}" role="status">{html.escape(text)}</div>'
