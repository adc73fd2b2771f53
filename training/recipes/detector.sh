#!/bin/sh
# From the cache and the shipped detector to a better one; run it in the checkout's root. The first
# three parts, detector_1_scenes.yaml to detector_3_everyday.yaml, led to what it starts from.
set -eu
mkdir -p ../train
python -m training.checkpoint_from_onnx models/person_detector.onnx ../train/detector_start.pth
python -m training.hard_negatives models/person_detector.onnx
python -m training.detector.train training/recipes/detector_4_larger.yaml
# The network's score that becomes 0.3, where users start from; the evaluation advises it.
python -m training.export detector ../train/detector_larger/last.pth models/person_detector.onnx \
  --threshold 0.225
python -m training.export int8 models/person_detector.onnx models/person_detector_int8.onnx
python -m training.evaluate detector models/person_detector.onnx
