"""Augmented training pictures. Imports ``common`` only."""
