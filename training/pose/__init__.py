"""Training of the pose network."""
