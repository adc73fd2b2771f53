#!/bin/sh
# Cuts people out of whole pictures into the cache; run it in the checkout's root.
set -eu
python -m training.build_people coco_train
python -m training.build_people coco_more --pictures ../train/coco
for pack in everyday more pose_extra; do
  python -m training.build_people $pack --pictures ../train/gathered
done
python -m training.build_people empty
python -m training.build_people nobody  # what models/person_detector.onnx takes for people
