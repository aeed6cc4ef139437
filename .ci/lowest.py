"""Prints setup.py's lower bounds as exact versions, for `pip install -c`."""

import re
from pathlib import Path

text = (Path(__file__).parents[1] / "setup.py").read_text(encoding="utf-8")
required = re.search(r"install_requires=\[(.*?)\n    \]", text, re.DOTALL)[1]
for name, version in re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\w.]+)"', required):
    print(f"{name}=={version}")
