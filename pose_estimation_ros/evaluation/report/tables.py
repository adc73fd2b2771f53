"""Formats the figures of `evaluate` as text."""

from __future__ import annotations

from typing import Any


def table(figures: dict[str, Any]) -> str:
    """Formats the figures as a table."""
    pose, coco = figures["pose"], figures["coco"]
    detection, persons = figures["detection"], figures["persons"]
    people = f"{pose['people']} persons that count" if pose else "nobody annotated"
    head = [f"{figures['images']} images, {people}"]
    what = {"pipeline": "pipeline", "detector": "detector", "pose_model": "pose model"}
    head += [f"{name}: {figures[key]}" for key, name in what.items() if figures.get(key)]
    rows: list[tuple[str, float]] = []
    if coco is not None:
        rows += [(f"COCO keypoint {name}", value) for name, value in coco.items()]
    if pose is not None:
        rows.append(("mean OKS", pose["mean_oks"]))
        if pose["found"] < pose["people"]:
            rows.append((f"mean OKS of the {pose['found']} found", pose["mean_oks_of_found"]))
        rows += [(name.upper(), value) for name, value in pose.items() if name.startswith("pck")]
    if detection is not None:
        if pose is not None:
            at = f" at {detection['threshold']:g}"
            rows.append(("detection AP (IoU 0.5)", detection["ap50"]))
            rows.append((f"detection recall{at}", detection["recall"]))
            rows.append((f"detection precision{at}", detection["precision"]))
        rows.append(("false positives an image", detection["false_per_image"]))
    if persons is not None:
        if pose is not None:
            rows.append(("recall of published persons", persons["recall"]))
        rows.append(("false persons an image", persons["false_per_image"]))
    lines = [", ".join(head), ""]
    lines += [f"{name:<30}{value:>8.3f}" for name, value in rows]
    if pose is None:
        return "\n".join(lines)
    lines += ["", f"{'joint':<18}{'annotated':>10}{'OKS':>10}{'PCK@0.1':>10}"]
    for name, joint in pose["joints"].items():
        values = f"{joint['annotated']:>10}{joint['oks']:>10.3f}{joint['pck@0.1']:>10.3f}"
        lines.append(f"{name:<18}{values}")
    return "\n".join(lines)
