"""The live view: frames with their poses as Rerun shows and records them (rerun-sdk)."""
