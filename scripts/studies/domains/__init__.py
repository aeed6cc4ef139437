"""The study that compares the two domains, see docs/domains.md."""
