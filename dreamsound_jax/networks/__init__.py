"""The networks that listen: architectures, responses, windows, cards and loading."""
