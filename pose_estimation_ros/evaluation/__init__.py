"""Accuracy figures on annotated data, and comparison of the pipelines."""
