"""Fast DDS: its profile for large images, and its shared memory."""
