"""The `pose_estimation` command line: one module or folder per command."""
