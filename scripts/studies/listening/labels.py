"""What listeners are asked: the classes in words that need no knowledge of General MIDI."""

_WORDS = {
    "chromatic_percussion": "Bells, xylophone or other tuned percussion",
    "organ": "Organ or accordion",
    "bass": "Bass",
    "strings": "Violin, cello or other strings",
    "ensemble": "Choir or orchestra",
    "brass": "Trumpet, trombone or other brass",
    "reed": "Saxophone, clarinet or another reed",
    "pipe": "Flute or another pipe",
    "synth_lead": "Synthesizer, a sharp lead",
    "synth_pad": "Synthesizer, a soft pad",
    "synth_effects": "Synthesizer, an effect",
    "ethnic": "Sitar, banjo or another folk instrument",
    "percussive": "Drums or other percussion",
    "sound_effects": "Noises, such as the sea, birds or a telephone",
}


def label_of(name: str) -> str:
    """Returns what the page calls a class.

    Example:
      >>> label_of("pipe"), label_of("steel_drum")
      ('Flute or another pipe', 'Steel drum')
    """
    return _WORDS.get(name, name.replace("_", " ").capitalize())
