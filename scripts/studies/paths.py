"""Flags that name files and folders; `~` in them is the home folder.

Shells do not replace it after the `=` of `--output=~/sounds`.
"""

import os
from collections.abc import Sequence

from absl import flags

# The flags belong to the script that defines them, whose help lists them.
flags.disclaim_key_flags()


class _PathParser(flags.ArgumentParser):
    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


class _PathsParser(flags.ListParser):
    def parse(self, argument: str | Sequence[str]) -> list[str]:
        return [os.path.expanduser(each) for each in super().parse(argument)]


def define_path(name: str, default: str | None, help: str, **options) -> flags.FlagHolder:
    """Defines a flag that names a file or a folder, as `flags.DEFINE_string` does a text."""
    serializer = flags.ArgumentSerializer()
    return flags.DEFINE(_PathParser(), name, default, help, serializer=serializer, **options)


def define_paths(
    name: str, default: Sequence[str] | None, help: str, **options
) -> flags.FlagHolder:
    """Defines a flag that names files or folders, as `flags.DEFINE_list` does texts."""
    serializer = flags.CsvListSerializer(",")
    return flags.DEFINE(_PathsParser(), name, default, help, serializer=serializer, **options)
