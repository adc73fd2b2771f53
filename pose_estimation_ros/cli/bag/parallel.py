"""Processes several bags in parallel, each in its own process with a share of the cores."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO

from pose_estimation_ros.cli._model_usage import worst
from pose_estimation_ros.cli._options import engine_flags
from pose_estimation_ros.cli.bag.one import bag_flags
from pose_estimation_ros.engine.execution.cpu_features import usable_cores
from pose_estimation_ros.errors import InputError


def outputs(bags: Sequence[Path], folder: Path) -> list[tuple[Path, Path]]:
    """Pairs each bag with its output path in the folder.

    Raises:
        InputError: two bags would have the same output path.
    """
    pairs = [(bag, folder / (bag.stem if bag.is_file() else bag.name)) for bag in bags]
    places = [out for _, out in pairs]
    for bag, out in pairs:
        if places.count(out) > 1:
            raise InputError(
                f"bag '{bag}' and another one are both called '{out.name}': rename one, or give "
                "them in two calls"
            )
    return pairs


def run_jobs(pairs: Sequence[tuple[Path, Path]], args: argparse.Namespace) -> int:
    """Processes the bags, `args.jobs` at a time; returns 0 only if none failed or is damaged."""
    cores = args.threads if args.threads > 0 else usable_cores()
    jobs = min(args.jobs, len(pairs))
    threads = max(1, cores // jobs)
    running: set[subprocess.Popen[str]] = set()
    lock = threading.Lock()
    stopped = False

    def one(bag: Path, out: Path) -> int:
        command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "bag"]
        command += [str(bag), str(out), *bag_flags(args)[2:]]
        command += engine_flags(args, threads=threads)
        with lock:
            if stopped:
                return 1
            # A new session, so that Ctrl-C reaches the child only once, through this process.
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            running.add(process)
        said, complaints = _listen(process, out.name)
        with lock:
            running.discard(process)
            sys.stdout.write(said)
            sys.stderr.write(complaints)
            if process.returncode < 0 and not stopped:
                name = signal.Signals(-process.returncode).name
                sys.stderr.write(
                    f"pose_estimation bag: error: bag '{bag}': its process was ended by {name}: "
                    "did the memory run out? Give it again, with fewer --jobs\n"
                )
            sys.stdout.flush()
        return process.returncode

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, bag, out) for bag, out in pairs]
        try:
            codes = [future.result() for future in as_completed(futures)]
        except KeyboardInterrupt:
            with lock:
                stopped = True
                for process in running:
                    process.send_signal(signal.SIGINT)
            raise
    return worst(codes)


def _listen(process: subprocess.Popen[str], name: str) -> tuple[str, str]:
    """Collects a process's output until it ends, and shows its progress meanwhile."""
    assert process.stdout is not None and process.stderr is not None
    stdout, complaints = process.stdout, []

    def listen(stderr: IO[str]) -> None:
        for line in stderr:
            if line.startswith("images: "):
                print(f"{name}: {line}", end="", file=sys.stderr, flush=True)
            else:
                complaints.append(line)

    listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
    listener.start()
    said = stdout.read()
    process.wait()
    listener.join()
    return said, "".join(complaints)
