#!/bin/sh
# From a pose network of 24x24 cells (pose.sh) to the one that is shipped: 48x48 cells, and presence. Run it in the
# checkout's root.
set -eu
mkdir -p ../train
name=models/convnextpose_xs_coco17
python -m training.checkpoint_from_onnx ../train/pose_volume.onnx ../train/pose_start.pth
# On shared cores threads that wait for each other should sleep: eight times as fast.
export OMP_WAIT_POLICY=PASSIVE
python -m training.pose.train_heads training/recipes/heads_1_compare.yaml
python -m training.pose.narrow ../train/pose_heads/last.pth ../train/pose_narrow.pth
# The last fifth of each with weak augmentation.
python -m training.pose.train_heads training/recipes/heads_2_fine.yaml --stop-step 805
python -m training.pose.train_heads training/recipes/heads_2_fine.yaml --strength 0.4 --seed 3
more="training/recipes/heads_3_more.yaml --start ../train/pose_fine/last.pth"
python -m training.pose.train_heads $more --stop-step 12174
python -m training.pose.train_heads $more --strength 0.4 --seed 3
python -m training.pose.presence ../train/pose_more/last.pth ../train/pose_presence.pth
# The network's score that becomes 0.2, from which persons are published.
python -m training.export pose ../train/pose_presence.pth $name.onnx --sharpness 4 \
  --threshold 0.085
python -m training.export int8 $name.onnx ${name}_int8.onnx
python -m training.evaluate pose $name.onnx
