"""`--cluster` of `bag` and `video`: its options, and where inputs come from and outputs go."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pose_estimation_ros.cli._options import check_count, engine_flags, given_settings
from pose_estimation_ros.cli.cluster.connection import LOCAL, Cluster
from pose_estimation_ros.cli.cluster.driver import Driver
from pose_estimation_ros.cli.cluster.pieces import Pieces
from pose_estimation_ros.cli.cluster.urls import (
    content,
    file_system,
    is_url,
    lies_here,
    name_of,
    write,
)
from pose_estimation_ros.cli.cluster.worker import Made, Recording
from pose_estimation_ros.errors import ConfigError, InputError
from pose_estimation_ros.io.atomic_file import PART, atomic_write

_PIECES = ".pieces"


@dataclass(frozen=True)
class Job:
    """A recording, and where what is made of it goes.

    Attributes:
        place: its path or URL.
        out: path or URL of the bag, or of the file of records.
        coco: path or URL of the file of COCO results; empty for none.
    """

    place: str
    out: str
    coco: str = ""


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many machines")
    group.add_argument(
        "--cluster",
        default="",
        metavar="ADDRESS",
        help=f"process on a Ray cluster: HOST:PORT of its head, or {LOCAL} to start one here; "
        "inputs and outputs may be URLs (s3://, gs://, ...)",
    )
    group.add_argument(
        "--segment",
        type=int,
        default=500,
        metavar="N",
        help="images of a long recording that a worker answers in one go (default: 500)",
    )
    group.add_argument(
        "--cores", type=int, default=1, metavar="N", help="cores of each worker (default: 1)"
    )
    group.add_argument(
        "--workers", type=int, default=0, metavar="N", help="most workers (default: for all cores)"
    )


def on_cluster(
    command: str, args: argparse.Namespace, own_words: Sequence[str], jobs: Sequence[Job]
) -> int:
    """Processes recordings on a cluster; returns the exit code.

    Args:
        command: "bag" or "video".
        args: the command's.
        own_words: the command's own flags, without those of the engine.
        jobs: every recording once.

    Raises:
        ConfigError: an option does not fit; Ray is not installed.
        InputError: no Ray answers; an output is there already, or two would be the same.
    """
    for name in ("segment", "cores"):
        if getattr(args, name) < 1:
            raise ConfigError(f"--{name}: {getattr(args, name)} is below 1")
    check_count("workers", args.workers)
    outs = [job.out for job in jobs]
    for out in outs:
        if outs.count(out) > 1:
            raise InputError(f"two recordings would be written to '{out}': rename one")
    left = [job for job in jobs if not (args.resume and _exists(job.out))]
    if len(left) < len(jobs):
        print(f"{len(jobs) - len(left)} of {len(jobs)} recordings are done already")
    if not left:
        return 0
    words = [*own_words, *engine_flags(args, threads=args.threads or args.cores)]
    words += ["--segment", str(args.segment)]
    pieces = _pieces(args, left, words)
    by_name = {name_of(job.out): job for job in left}

    def store(recording: Recording, made: Made) -> None:
        _store(by_name[recording.name], made)

    words = [str(Path.cwd()), *words]
    cluster = Cluster(args.cluster, command, words, args.cores, args.workers)
    with contextlib.closing(cluster):
        started_s = time.monotonic()
        driver = Driver(cluster, args.segment, store, pieces)
        code = driver.run([_recording(job) for job in left])
        took_s = time.monotonic() - started_s
    print(
        f"{len(left)} recordings, {driver.answered} images answered by {cluster.size} workers in "
        f"{took_s:.1f} s: {driver.answered / took_s:.1f} images/s"
    )
    return code


def _recording(job: Job) -> Recording:
    given = content(job.place) if is_url(job.place) and lies_here(job.place) else None
    place = job.place if is_url(job.place) else str(Path(job.place).resolve())
    return Recording(place, name_of(job.out), given)


def _pieces(args: argparse.Namespace, jobs: Sequence[Job], words: Sequence[str]) -> Pieces:
    """Where segments are kept: beside the outputs, or for URLs among temporary files."""
    out = jobs[0].out
    parent = Path(tempfile.gettempdir()) / f"pose_estimation_{os.getuid()}"
    folder = parent / _PIECES if is_url(out) else Path(out).resolve().parent / _PIECES
    if not args.resume:
        shutil.rmtree(folder, ignore_errors=True)
    sizes = {
        job.place: Path(job.place).stat().st_size
        for job in jobs
        if not is_url(job.place) and Path(job.place).is_file()
    }
    settings = {name: value for name, value in given_settings(args).items() if name != "threads"}
    return Pieces(folder, {"settings": settings, "size": args.segment, "files": sizes})


def _exists(out: str) -> bool:
    if not is_url(out):
        return Path(out).exists()
    system, path = file_system(out)
    return bool(system.exists(path))


def _store(job: Job, made: Made) -> None:
    """Writes what a recording came to, whole or not at all."""
    name = name_of(job.out)
    records = {key: data for key, data in made.files.items() if not key.endswith(".coco.json")}
    _write(job.out, name, records)
    for key in made.files.keys() - records.keys():
        _write(job.coco, name_of(job.coco), {name_of(job.coco): made.files[key]})


def _write(out: str, name: str, files: Mapping[str, bytes]) -> None:
    if is_url(out):
        write(out.rstrip("/").rpartition("/")[0], files)
        return
    target = Path(out)
    if list(files) == [name]:
        with atomic_write(target) as temporary:
            temporary.write_bytes(files[name])
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{name}{PART}")
    shutil.rmtree(work, ignore_errors=True)
    for key, data in files.items():
        file = work / Path(key).relative_to(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    if target.exists():
        shutil.rmtree(target)
    work.rename(target)


def complain_of_pictures(flag: str) -> ConfigError:
    """Drawn pictures are no result of a cluster."""
    return ConfigError(f"{flag}: pictures are drawn on one machine: leave it out, or --cluster")
