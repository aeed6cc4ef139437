"""What each channel of a layer hears: dreams, excerpts and probes, on one page."""
