"""Finding persons."""
