"""`pose_estimation compare`: compares the pipelines on a recording and recommends one."""
