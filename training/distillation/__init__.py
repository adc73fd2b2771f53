"""Teachers and the losses against them. Imports ``common`` only."""
