"""`pose_estimation compare`: V3, V4 and hybrid on one video or bag, and which one to take."""
