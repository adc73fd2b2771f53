"""Accuracy on annotated data, and comparison of the pipelines."""
