"""The study of whether class dreams are heard by networks that did not dream them, see docs/heard.md."""
