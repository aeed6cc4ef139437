"""A listening test: clips, a page that asks people what they hear, and the score of answers."""
