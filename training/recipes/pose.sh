#!/bin/sh
# From the cache and the silhouettes to a pose network of 24x24 cells, which heads.sh refines; run it in the
# checkout's root. START: an export of such a network.
set -eu
mkdir -p ../train
python -m training.checkpoint_from_onnx "$START" ../train/pose_start.pth
python -m training.pose.train training/recipes/pose_1_constant_rate.yaml
python -m training.pose.train training/recipes/pose_2_falling_rate.yaml
python -m training.pose.train training/recipes/pose_3_distill.yaml
# Where the new weights lost something the average keeps it; measure both.
python -m training.average_checkpoints ../train/pose/last.pth ../train/pose_distilled/last.pth \
  ../train/averaged.pth --share 0.85
# --threshold: the network's score that becomes 0.2, where users start from. --sharpness moves x, y
# towards the peak of a marginal that a short training leaves broad; measure it with 1 as well.
python -m training.export pose ../train/averaged.pth ../train/pose_volume.onnx --sharpness 3
python -m training.evaluate pose ../train/pose_volume.onnx
