"""Identities over time, smoothing, and identity switches."""
