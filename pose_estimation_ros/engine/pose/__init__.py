"""Pose estimation of detected persons: from boxes to joints and their positions in metres."""
