"""The pictures of a command do not depend on the settings that a user has for plots."""

import os
import subprocess
import sys

DRAW = """
import sys
import numpy as np
from dreamsound_jax.outputs.ouroboros_picture import OuroborosPicture, draw_ouroboros
from dreamsound_jax.outputs.thumbnail import draw_thumbnail
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.matplotlib_settings import ignore_settings

ignore_settings()
numbers = np.arange(3.0)
picture = OuroborosPicture(
    title="A title", band_centres=np.linspace(50, 9000, 16), mel_db=np.eye(16, 40), seconds=1.0,
    overcooked_db=numbers, moved_db=numbers, objective=numbers,
)
try:
    sys.stdout.buffer.write(draw_ouroboros(picture) + draw_thumbnail(np.eye(16, 40)))
except UserError as error:
    print(error)
"""
SETTINGS = b"""
axes.facecolor: red
font.size: 30
image.cmap: no_such_map
backend: no_such_backend
no.such.key: 1
"""


def draw(folder, **environment):
    command = [sys.executable, "-c", DRAW]
    environment = {**os.environ, "MPLCONFIGDIR": str(folder / "config"), **environment}
    working = folder / "working"
    done = subprocess.run(command, check=False, capture_output=True, cwd=working, env=environment)
    return done.stdout, done.stderr


def test_pictures_are_the_same_whatever_a_user_has_set(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "working").mkdir()
    plain, said = draw(tmp_path)
    assert plain.startswith(b"\x89PNG") and said == b""
    (tmp_path / "working" / "matplotlibrc").write_bytes(SETTINGS)
    (tmp_path / "config" / "matplotlibrc").write_bytes(b"\xff\xfe")
    assert draw(tmp_path, MPLBACKEND="Qt4Agg") == (plain, b"")
    (tmp_path / "working" / "matplotlibrc").write_bytes(b"\xff\xfe")
    told, said = draw(tmp_path)
    assert told.startswith(b"Matplotlib cannot be imported: ") and said == b""
    assert told.endswith(b"; look at the file matplotlibrc in this folder\n")
