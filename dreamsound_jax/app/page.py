"""The page: what stands where, as Gradio builds it."""

from collections.abc import Iterable
from typing import NamedTuple

import gradio as gr

from dreamsound_jax.app import choices as known
from dreamsound_jax.app.jobs import MOST_MEGABYTES, MOST_MINUTES
from dreamsound_jax.networks.card import Card

AS_THE_PRESET_SAYS = "as the preset says"
# Fonts of the system: none is asked of another server.
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
FONT_MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
CSS = """
footer { display: none !important; }
.gradio-container {
  width: 100% !important; max-width: 1080px !important; margin: 0 auto !important;
}
#status { min-height: 3em; }
#status progress { width: 100%; height: 6px; accent-color: var(--color-accent); }
#status .refused { color: var(--error-text-color, #b91c1c); }
#limits { opacity: 0.75; font-size: 0.9em; }
#given audio { width: 100%; }
"""


class Chosen(NamedTuple):
    """The components with which something is chosen."""

    sound: gr.File
    preset: gr.Dropdown
    strength: gr.Slider
    model: gr.Dropdown
    target_class: gr.Dropdown
    layer: gr.Dropdown
    mix: gr.Slider
    seed: gr.Number
    video: gr.Checkbox


class Buttons(NamedTuple):
    """The buttons that begin and stop a dream."""

    go: gr.Button
    stop: gr.Button


class Shown(NamedTuple):
    """The components that show what was dropped, what is being done, and what came of it."""

    given: gr.HTML
    status: gr.HTML
    results: gr.Column
    before: gr.Audio
    after: gr.Audio
    picture: gr.Image
    download: gr.DownloadButton
    film: gr.DownloadButton
    command: gr.Textbox


def theme() -> gr.themes.Base:
    """Returns the look of the page."""
    return gr.themes.Soft(
        primary_hue="slate", neutral_hue="slate", font=[*FONT], font_mono=[*FONT_MONO]
    )


def build() -> tuple[gr.Blocks, Chosen, Buttons, Shown]:
    """Builds the page; nothing happens on it yet."""
    with gr.Blocks(title="DreamSound", analytics_enabled=False, delete_cache=(600, 86400)) as page:
        gr.Markdown(
            "# DreamSound\nDrop a sound, choose what it should dream of, and listen. "
            "Nothing leaves this computer."
        )
        with gr.Row():
            with gr.Column(min_width=320):
                sound, given = _build_sound()
                chosen = _build_choices(sound)
                with gr.Row():
                    go = gr.Button("Dream", variant="primary", elem_id="go")
                    stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
            with gr.Column(min_width=320):
                shown = _build_results(given)
    return page, chosen, Buttons(go, stop), shown


def _build_sound() -> tuple[gr.File, gr.HTML]:
    # Of any type: what can be read is decided by what is in a file, as the command does.
    sound = gr.File(label="Your sound or video", type="filepath", height=160, elem_id="sound")
    given = gr.HTML(visible=False, elem_id="given")
    gr.Markdown(
        f"wav, flac, ogg, mp3, m4a, opus, aiff, mp4, mov, webm and more, up to {MOST_MINUTES} "
        f"minutes and {MOST_MEGABYTES} MB",
        elem_id="limits",
    )
    return sound, given


def _build_choices(sound: gr.File) -> Chosen:
    names = known.preset_names()
    preset = gr.Dropdown(
        [("Default", ""), *((name.replace("_", " ").capitalize(), name) for name in names)],
        value="",
        label="Preset",
        info=known.describe_preset(None),
        elem_id="preset",
    )
    strength = gr.Slider(
        0,
        100,
        value=known.Choices.strength,
        step=1,
        label="Strength",
        info="0 leaves the sound as it is; 100 takes it as far as it goes.",
        buttons=[],
        elem_id="strength",
    )
    with gr.Accordion("More", open=False, elem_id="more"):
        model, target_class, layer = _build_aims(known.card_of(None, None))
        mix, seed, video = _build_rest()
    return Chosen(sound, preset, strength, model, target_class, layer, mix, seed, video)


def _build_aims(card: Card) -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown]:
    model = gr.Dropdown(
        or_preset(known.included_models()),
        value="",
        label="Network",
        info="gm knows instruments, mtt and msd know music.",
        elem_id="model",
    )
    target_class = gr.Dropdown(
        or_preset(known.class_names(card)),
        value="",
        label="Dream towards",
        info="A class that the network knows.",
        elem_id="class",
    )
    layer = gr.Dropdown(
        or_preset(known.layer_names(card)),
        value="",
        label="Layer",
        info="Shallow layers respond to texture, deeper ones to notes, hits and phrases.",
        elem_id="layer",
    )
    return model, target_class, layer


def _build_rest() -> tuple[gr.Slider, gr.Number, gr.Checkbox]:
    mix = gr.Slider(
        0,
        1,
        value=1,
        step=0.05,
        label="Mix",
        info="1 is the dream alone; 0.5 is half of the input with it.",
        buttons=[],
    )
    seed = gr.Number(
        1,
        label="Seed",
        info="Another number gives another dream; the same one repeats it.",
        precision=0,
        minimum=0,
        maximum=2**31 - 1,
    )
    video = gr.Checkbox(False, label="Make a video, too", elem_id="video")
    return mix, seed, video


def _build_results(given: gr.HTML) -> Shown:
    status = gr.HTML("The dream appears here.", elem_id="status")
    with gr.Column(visible=False) as results:
        before, after = (
            gr.Audio(
                label=name,
                interactive=False,
                buttons=[],
                editable=False,
                elem_id=name.lower(),
            )
            for name in ("Before", "After")
        )
        picture = gr.Image(
            format="png",
            interactive=False,
            show_label=False,
            alt_text="Spectrograms and waveforms, before and after, and the change",
            buttons=["fullscreen"],
            elem_id="picture",
        )
        with gr.Row():
            download = gr.DownloadButton("Download the sound", elem_id="download")
            film = gr.DownloadButton("Download the video", visible=False, elem_id="film")
        command = gr.Textbox(
            label="The same in a terminal, in the folder of the sound",
            interactive=False,
            lines=2,
            buttons=["copy"],
            elem_id="command",
        )
    return Shown(given, status, results, before, after, picture, download, film, command)


def or_preset(names: Iterable[str]) -> list[tuple[str, str]]:
    """Returns choices for a dropdown, the first of which leaves it to the preset."""
    return [(AS_THE_PRESET_SAYS, ""), *((name, name) for name in names)]
