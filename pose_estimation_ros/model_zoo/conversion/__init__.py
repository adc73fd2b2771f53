"""Conversion of PyTorch checkpoints to .onnx and .tflite, and of .onnx to int8."""
