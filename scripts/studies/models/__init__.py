"""The study of what each included network is good for, see docs/models.md."""
