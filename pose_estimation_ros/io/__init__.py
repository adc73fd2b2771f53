"""Reads and writes videos, images, camera streams, bags, messages and pose records."""
