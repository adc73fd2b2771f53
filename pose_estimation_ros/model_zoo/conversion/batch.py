"""Batch conversion: every checkpoint in some folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.conversion.convert import Conversion, convert, targets_of
from pose_estimation_ros.model_zoo.user_folder import models_folder

SOURCES = (".pth", ".pt")


class ModelConverter:
    """Finds checkpoints in folders, or takes files as they are, and converts those that need it.

    By default the folders are the working one, `models/` in it, and the user's folder of models.
    """

    def __init__(self, folders: Sequence[Path] = (), out: Path | None = None) -> None:
        self.named = bool(folders)
        self.folders = list(folders) or [Path(), Path("models"), models_folder()]
        self.out = out

    def sources(self) -> list[Path]:
        """The checkpoints found.

        Raises:
            ModelError: a name is neither a folder nor a checkpoint.
        """
        found: list[Path] = []
        for folder in self.folders:
            if folder.is_dir():
                inside = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
                found += [p for p in inside if p.suffix.lower() in SOURCES and p.is_file()]
            elif folder.suffix.lower() in SOURCES:
                found.append(folder)  # its absence is then the conversion's error
            elif self.named:
                raise ModelError(f"{folder} is neither a folder nor a .pt or .pth file")
        return found

    def ensure_all_models_ready(
        self, formats: Sequence[str] = (), force: bool = False, images: Path | None = None
    ) -> tuple[list[Conversion], list[str]]:
        """Converts every checkpoint to the formats it lacks; gives conversions and errors.

        A converter that is not installed does not stop the other formats. With a folder of
        `images` every .onnx gets an int8 version, `..._int8.onnx`, calibrated with them.
        """
        done: list[Conversion] = []
        failed: list[str] = []
        for source in self.sources():
            for target in targets_of(source, formats):
                path = (self.out or target.parent) / target.name
                try:
                    done.append(convert(source, path, force))
                    if images is not None and path.suffix == ".onnx":
                        done.append(self._quantised(path, images))
                except ModelError as error:
                    failed.append(str(error))
        return done, failed

    @staticmethod
    def _quantised(path: Path, images: Path) -> Conversion:
        from pose_estimation_ros.model_zoo.conversion.quantize import quantise

        target = path.with_name(f"{path.stem}_int8.onnx")
        return Conversion(target, path, float("nan"), quantise(path, target, images))


def ensure_all_models_ready(
    folders: Sequence[Path] = (), formats: Sequence[str] = (), force: bool = False
) -> list[Conversion]:
    """Converts every checkpoint in the folders; as `pose_estimation models convert`.

    Raises:
        ModelError: some could not be converted; the message says which and why.
    """
    done, failed = ModelConverter(folders).ensure_all_models_ready(formats, force)
    if failed:
        raise ModelError("; ".join(failed))
    return done
