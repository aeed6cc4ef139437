"""Training classifiers: data sets and the training loop."""
