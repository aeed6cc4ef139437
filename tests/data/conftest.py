"""Keeps pytest from importing the script of this folder, which needs TensorFlow."""

collect_ignore = ["make_musicnn_numbers.py"]
