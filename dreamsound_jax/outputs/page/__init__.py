"""The page of a run, on which all clips can be seen and heard."""
