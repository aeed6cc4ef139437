"""What the code says to its users, found in the code, with examples from the tests."""
