"""The networks in PyTorch, for conversion and for running checkpoints directly; needs torch."""
