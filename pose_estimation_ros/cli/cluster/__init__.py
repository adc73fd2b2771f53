"""Recordings over many machines, with Ray."""
