"""The app: a page on this machine that dreams on a sound that is dropped on it."""
