#!/bin/sh
# From the shipped pose network to one with a head of 48x48 cells; run it in the checkout's root.
set -eu
mkdir -p ../train
name=models/convnextpose_xs_coco17
python -m training.checkpoint_from_onnx $name.onnx ../train/pose_start.pth
# On shared cores threads that wait for each other should sleep: eight times as fast.
export OMP_WAIT_POLICY=PASSIVE
python -m training.pose.train_heads training/recipes/heads_1_compare.yaml
python -m training.pose.narrow ../train/pose_heads/last.pth ../train/pose_narrow.pth
# The last fifth with weak augmentation.
python -m training.pose.train_heads training/recipes/heads_2_fine.yaml --stop-step 805
python -m training.pose.train_heads training/recipes/heads_2_fine.yaml --strength 0.4 --seed 3
python -m training.export pose ../train/pose_fine/last.pth ../train/pose_fine.onnx --sharpness 4
python -m training.export int8 ../train/pose_fine.onnx ../train/pose_fine_int8.onnx
python -m training.evaluate pose ../train/pose_fine.onnx
