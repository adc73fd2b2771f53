#!/bin/sh
# From the cache and the silhouettes to the shipped detector; run it in the checkout's root.
set -eu
mkdir -p ../train
python -m training.checkpoint_from_onnx models/person_detector.onnx ../train/detector_start.pth
python -m training.detector.train training/recipes/detector_1_scenes.yaml
python -m training.detector.train training/recipes/detector_2_fixed_norms.yaml
# The network's score that becomes 0.3, where users start from; the evaluation advises it.
python -m training.export detector ../train/detector/last.pth models/person_detector.onnx \
  --threshold 0.325
python -m training.export int8 models/person_detector.onnx models/person_detector_int8.onnx
python -m training.evaluate detector models/person_detector.onnx
