"""Training of the person detector."""
