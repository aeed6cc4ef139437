"""The command line: flags, parsing and help."""
