"""No development image is in any training set, and the held-out crops are never trained on."""

import hashlib
import json
import tarfile

import numpy as np
import pytest
from paths import SHARED

cv2 = pytest.importorskip("cv2")

DATA = SHARED / "data"
GATHERED = SHARED.parent / "train" / "gathered"  # what data/gather/gather.py wrote
FURTHER_COCO = SHARED.parent / "train" / "coco"  # further images of train2017
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}")
NEAR_BITS = 6  # of 64; recompressed copies of one photograph differ in fewer


def listed(name):
    listing = json.loads((DATA / "coco_dev" / f"person_keypoints_{name}.json").read_text())
    return {entry["file_name"] for entry in listing["images"]}


def fingerprint(image):
    """Difference hash, 64 bits: brightness steps of a 9x8 miniature (uint8 grey in)."""
    small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA).astype(int)
    return np.packbits((small[:, 1:] > small[:, :-1]).flatten())


def tar_images(name):
    with tarfile.open(DATA / f"{name}.tar") as tar:
        for member in tar.getmembers():
            file = tar.extractfile(member) if member.name.endswith(".webp") else None
            if file is not None:
                yield member.name, file.read()


@needs_data
def test_coco_training_and_development_images_differ():
    train, dev = listed("train"), listed("dev")
    assert train
    assert dev
    assert not train & dev
    root = DATA / "coco_dev" / "images"

    def digests(names):
        return {hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}

    assert not digests(train) & digests(dev)


def measured_images():
    """File names and contents of every image that models are measured on, all of val2017."""
    for folder in ("coco_val", "coco_nobody"):
        for path in sorted((DATA / folder).rglob("*.jpg")):
            yield path.name, path.read_bytes()
    for name in sorted(listed("dev")):
        yield name, (DATA / "coco_dev" / "images" / name).read_bytes()


@needs_data
@pytest.mark.parametrize(
    "gathered", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["packs", "gathered"]
)
def test_no_scene_to_train_on_is_or_looks_like_one_that_is_measured_on(gathered):
    from training.common.scene_packs import scene_pictures

    if gathered and not GATHERED.exists():
        pytest.skip(f"no {GATHERED}")

    def grey(data):
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)

    measured = list(measured_images())
    assert len(measured) >= 121 + 105
    names = {name.split(".")[0] for name, _ in measured}
    digests = {hashlib.sha256(data).hexdigest() for _, data in measured}
    hashes = np.stack([fingerprint(grey(data)) for _, data in measured])
    near, groups = [], set()
    further = FURTHER_COCO if FURTHER_COCO.exists() else None
    packs = scene_pictures(SHARED, GATHERED, further) if gathered else scene_pictures(SHARED)
    for picture in packs:
        groups.add(picture.group)
        stem = picture.name.split(".")[0].removeprefix("coco_").removeprefix("human_")
        assert stem not in names, picture.name
        assert hashlib.sha256(picture.data).hexdigest() not in digests, picture.name
        image = grey(picture.data)
        different = np.unpackbits(hashes ^ fingerprint(image), axis=1).sum(axis=1)
        # Clothes on a plain ground are alike in so small a picture, whatever they are.
        if different.min() < NEAR_BITS and not picture.name.startswith("clothing_"):
            near.append((picture.name, int(different.min())))
    assert groups == {"street", "empty", "everyday", "coco"}
    assert not near


def coco_pictures(folder):
    """Ids and files of a COCO keypoint folder."""
    listing = json.loads((DATA / folder / "person_keypoints.json").read_text())
    return {e["id"]: DATA / folder / "images" / e["file_name"] for e in listing["images"]}


@needs_data
def test_no_picture_that_people_are_cut_out_of_is_measured_on():
    """By id, by bytes and by looks; the gathered pictures by the sha256 of the recipe."""
    measured = coco_pictures("coco_val") | coco_pictures("coco_nobody")
    trained = coco_pictures("coco_train")
    assert not measured.keys() & trained.keys()
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in measured.values()}
    lines = (DATA / "gather" / "recipe.tsv").read_text(encoding="utf-8").splitlines()
    gathered = {line.split("\t")[4] for line in lines if not line.startswith("#")}
    assert len(gathered) > 20_000
    assert not digests & gathered
    assert not digests & {hashlib.sha256(p.read_bytes()).hexdigest() for p in trained.values()}

    def look(path):
        return fingerprint(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE))

    looks = np.stack([look(path) for path in measured.values()])
    near = []
    for path in trained.values():
        different = np.unpackbits(looks ^ look(path), axis=1).sum(axis=1)
        if different.min() < NEAR_BITS:
            near.append((path.name, int(different.min())))
    assert not near


@needs_data
def test_coco_crops_come_from_training_images_only():
    """Every crop that COCO is the source of matches a training person, by its joints."""
    labels = np.load(DATA / "person_crops_labels.npz")
    crops = labels["ground_truth"][labels["source"] == "coco"]
    shapes = {}
    for name in ("train", "dev"):
        listing = json.loads((DATA / "coco_dev" / f"person_keypoints_{name}.json").read_text())
        shapes[name] = [
            np.asarray(row["keypoints"], float).reshape(17, 3) for row in listing["annotations"]
        ]

    def fits(crop, person):
        seen = crop[:, 2] > 0
        if not np.array_equal(seen, person[:, 2] > 0) or seen.sum() < 4:
            return False
        a, b = (rows[seen, :2] - rows[seen, :2].mean(0) for rows in (crop, person))
        return np.abs(a / np.abs(a).max() - b / np.abs(b).max()).max() < 0.02

    from_dev = [i for i, crop in enumerate(crops) if any(fits(crop, p) for p in shapes["dev"])]
    from_train = [i for i, crop in enumerate(crops) if any(fits(crop, p) for p in shapes["train"])]
    assert not from_dev
    assert len(from_train) > len(crops) / 2


def test_held_out_crops_are_a_tenth_and_never_drawn(tmp_path):
    pytest.importorskip("torch")
    from training.common.data import held_out

    out = held_out(13_622)
    assert out.mean() == pytest.approx(0.1, abs=0.005)
    if not DATA.exists():
        pytest.skip(f"no {DATA}")
    from training.pose.dataset import Crops

    assert not out[Crops(tmp_path, SHARED, 1, 64, 0).indices].any()
