#!/bin/sh
# From the shipped pose network to one with a head of 48x48 cells; run it in the checkout's root.
set -eu
mkdir -p ../train
name=models/convnextpose_xs_coco17
python -m training.checkpoint_from_onnx $name.onnx ../train/pose_start.pth
# On shared cores threads that wait for each other should sleep: eight times as fast.
export OMP_WAIT_POLICY=PASSIVE
python -m training.pose.train_heads training/recipes/pose_heads.yaml
python -m training.pose.narrow ../train/pose_heads/last.pth ../train/pose_narrow.pth
python -m training.pose.train_heads training/recipes/pose_fine.yaml
python -m training.export pose ../train/pose_fine/last.pth ../train/pose_fine.onnx --sharpness 3
python -m training.export int8 ../train/pose_fine.onnx ../train/pose_fine_int8.onnx
python -m training.evaluate pose ../train/pose_fine.onnx
