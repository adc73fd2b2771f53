"""From results to messages: poses, pictures, markers, transforms, other packages' types."""
