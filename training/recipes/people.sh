#!/bin/sh
# Cuts people out of whole pictures into the cache; run it in the checkout's root.
set -eu
python -m training.build_people coco_train
python -m training.build_people everyday --pictures ../train/gathered
python -m training.build_people empty
