"""The command line `pose_estimation`: one module or folder a command."""
