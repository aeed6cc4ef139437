"""The study of class dreams that others hear, see docs/heard.md."""
