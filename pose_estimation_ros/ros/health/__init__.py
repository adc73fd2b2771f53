"""Diagnostics: what is measured, what is wrong, and what to do about it."""
