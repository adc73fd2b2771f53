"""Person detection: from an image to boxes with scores."""
