"""Labelled sounds to train on: two public data sets, folders of sounds, and rendered phrases."""
