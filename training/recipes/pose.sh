#!/bin/sh
# From the cache and the silhouettes to the shipped pose network; run it in the checkout's root.
set -eu
mkdir -p ../train
name=models/convnextpose_xs_coco17
python -m training.checkpoint_from_onnx $name.onnx ../train/pose_start.pth
python -m training.pose.train training/recipes/pose_1_constant_rate.yaml
python -m training.pose.train training/recipes/pose_2_falling_rate.yaml
python -m training.pose.train training/recipes/pose_3_distill.yaml
# Where the new weights lost something the average keeps it; measure both.
python -m training.average_checkpoints ../train/pose/last.pth ../train/pose_distilled/last.pth \
  ../train/averaged.pth --share 0.85
# --threshold: the network's score that becomes 0.2, where users start from. --sharpness moves x, y
# towards the peak of a marginal that a short training leaves broad; measure it with 1 as well.
python -m training.export pose ../train/averaged.pth $name.onnx --sharpness 3 --threshold 0.16
python -m training.export int8 $name.onnx ${name}_int8.onnx
python -m training.evaluate pose $name.onnx
