"""Reading and writing: videos, images, cameras, bags, messages, and records of poses."""
