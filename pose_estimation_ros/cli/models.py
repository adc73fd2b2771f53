"""`pose_estimation models`: lists, fetches, verifies and converts models."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.errors import ModelError
from pose_estimation_ros.model_zoo.manifest import ModelEntry, packaged_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list every known model")
    listing.add_argument("--json", action="store_true", help="print JSON")
    info = actions.add_parser("info", help="show all details of a model or model file")
    info.add_argument("model", metavar="MODEL", help="a name as `list` gives it, or a file")
    timing = actions.add_parser(
        "runtimes", help="measure the installed runtimes with models: time, start-up and memory"
    )
    timing.add_argument(
        "models", nargs="*", metavar="MODEL", help="a name or a file; default: those embedded"
    )
    timing.add_argument("--json", action="store_true", help="print JSON")
    measuring = actions.add_parser(
        "bench", help="measure what models take on this machine; `list` shows it"
    )
    measuring.add_argument(
        "names", nargs="*", metavar="NAME", help="default: all that are present"
    )
    fetching = actions.add_parser("fetch", help="download models")
    fetching.add_argument(
        "names", nargs="+", metavar="NAME", help="a model, or a set: balanced, accurate"
    )
    fetching.add_argument("--force", action="store_true", help="download even if the file exists")
    verifying = actions.add_parser("verify", help="compare files with their checksums")
    verifying.add_argument(
        "names", nargs="*", metavar="NAME", help="default: all that are present"
    )
    converting = actions.add_parser(
        "convert", help="convert .pt and .pth files to .onnx and .tflite"
    )
    converting.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="checkpoints or folders of them; default: this folder, models/ and the user's",
    )
    converting.add_argument(
        "--to", metavar="FORMATS", default="", help="onnx, tflite or both, comma-separated"
    )
    converting.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: next to the source"
    )
    converting.add_argument(
        "--int8",
        type=Path,
        metavar="IMAGES",
        help="also quantise to int8, calibrated with the images in this folder",
    )
    converting.add_argument(
        "--force", action="store_true", help="convert again even if up to date"
    )


def run(args: argparse.Namespace) -> int:
    actions = {
        "list": _list,
        "info": _info,
        "runtimes": _runtimes,
        "bench": _bench,
        "fetch": _fetch,
        "verify": _verify,
        "convert": _convert,
    }
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from pose_estimation_ros.cli._model_table import rows_of, table

    manifest = packaged_manifest()
    print(json.dumps(rows_of(manifest), indent=2) if args.json else table(manifest))
    return 0


def _bench(args: argparse.Namespace) -> int:
    from pose_estimation_ros.cli._model_table import bench

    manifest = packaged_manifest()
    for name in args.names:
        if manifest.find(name) is None and Path(name).expanduser().is_file():
            raise ModelError(
                f"'{name}' is a file, and bench takes names that `pose_estimation models list` "
                f"gives: for a file run: pose_estimation models runtimes {name}"
            )
    here = [entry for entry in manifest.entries.values() if entry.path.is_file()]
    return bench([_entry(name) for name in args.names] or here)


def _entry(name: str) -> ModelEntry:
    entry = packaged_manifest().find(name)
    if entry is None:
        known = ", ".join(packaged_manifest().entries)
        raise ModelError(f"unknown model '{name}': choose one of {known}")
    return entry


def _info(args: argparse.Namespace) -> int:
    from pose_estimation_ros.cli._model_table import row_of
    from pose_estimation_ros.model_zoo.provenance import read_provenance

    path = _path_of(args.model)
    entry = packaged_manifest().find(args.model)
    if entry is not None:
        for key, value in row_of(entry).items():
            if value not in ("", 0):
                print(f"{key}: {value}")
        where = entry.checksum_source or ("the package" if entry.embedded else "published")
        known = f"{entry.sha256} ({where})" if entry.sha256 else "none published"
        print(f"sha256: {known}")
    for key, value in read_provenance(path.parent).get(path.name, {}).items():
        print(f"recorded {key}: {value}")
    if path.is_file():
        _print_tensors(path)
    return 0


def _print_tensors(path: Path) -> None:
    from pose_estimation_ros.engine.runtimes import load_runtime, runtimes_for

    runtime = load_runtime(path, runtimes_for(path)[0])
    for kind, specs in (("input", runtime.inputs), ("output", runtime.outputs)):
        for spec in specs:
            shape = "x".join("?" if size is None else str(size) for size in spec.shape)
            print(f"{kind} {spec.name}: {shape} {spec.dtype}")
    for key, value in runtime.metadata.items():
        print(f"metadata {key}: {value[:200]}")


def _runtimes(args: argparse.Namespace) -> int:
    from pose_estimation_ros.cli._runtime_table import measure_runtimes, runtime_table

    paths = [_path_of(model) for model in args.models]
    tables = measure_runtimes(paths)
    print(json.dumps(tables, indent=2) if args.json else runtime_table(tables))
    return 0 if all(any("run_ms" in row for row in rows) for rows in tables.values()) else 1


def _path_of(model: str) -> Path:
    entry = packaged_manifest().find(model)
    path = Path(model).expanduser() if entry is None else entry.path
    if entry is None and not path.is_file():
        _entry(model)  # raises, listing the known models
    return path


def _fetch(args: argparse.Namespace) -> int:
    from pose_estimation_ros.model_zoo.fetch import fetch

    failed = 0
    sets = packaged_manifest().sets
    for entry in [one for name in args.names for one in sets.get(name) or (_entry(name),)]:
        progress: Progress | None = None

        def show(done: int, total: int | None, name: str = entry.name) -> None:
            nonlocal progress
            if progress is None:
                progress = Progress(f"{name}, kB", total // 1000 if total else None)
            progress.show(done // 1000)

        try:
            print(fetch(entry, show, args.force))
        except ModelError as error:
            failed += 1
            print(error)
        finally:
            if progress is not None:
                progress.close()
    return 1 if failed else 0


def _verify(args: argparse.Namespace) -> int:
    if args.names:
        entries: Sequence[ModelEntry] = [_entry(name) for name in args.names]
    else:
        known = packaged_manifest().entries.values()
        entries = [entry for entry in known if entry.embedded or entry.path.is_file()]
    damaged = 0
    for entry in entries:
        try:
            entry.verify()
            print(f"{entry.name}: whole")
        except ModelError as error:
            damaged += 1
            print(error)
    return 1 if damaged else 0


def _convert(args: argparse.Namespace) -> int:
    from pose_estimation_ros.model_zoo.conversion.batch import ModelConverter

    formats = [name.strip() for name in args.to.split(",") if name.strip()]
    converter = ModelConverter(args.files, args.out)
    done, failed = converter.ensure_all_models_ready(formats, args.force, args.int8)
    for conversion in done:
        what = "is current, converted" if conversion.skipped else "converted"
        measure = (
            f"accuracy lost {conversion.loss:.4f}"
            if conversion.error != conversion.error
            else f"largest relative error {conversion.error:.1e}"
        )
        print(f"{conversion.path}: {what} from {conversion.source.name}, {measure}")
    for reason in failed:
        print(reason)
    if not done and not failed:
        places = ", ".join(str(folder.absolute()) for folder in converter.folders)
        if args.files:
            raise ModelError(f"no .pt or .pth file in {places}")
        print(f"no .pt or .pth file in {places}")
    return 1 if failed else 0
