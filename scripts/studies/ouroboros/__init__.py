"""The study of the overcooked index and of --stabilise, see docs/ouroboros_measured.md."""
