"""`pose_estimation doctor`: checks this machine and says how to fix what is missing."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pose_estimation_ros.engine.execution.cpu_features import cpu_flags, usable_cores
from pose_estimation_ros.engine.execution.gpu import Gpu
from pose_estimation_ros.errors import PoseEstimationError
from pose_estimation_ros.io.messages.cv_bridge_check import why_unusable
from pose_estimation_ros.model_zoo.manifest import packaged_manifest
from pose_estimation_ros.package_files import version
from pose_estimation_ros.ros.dds import shared_memory
from pose_estimation_ros.ros.dds.profile import VARIABLES, is_configured, packaged_profiles

_OK, _NOTE, _FAIL = "ok", "note", "fail"
_MARKS = {_OK: "ok  ", _NOTE: "note", _FAIL: "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. A note is harmless; a fail keeps the package from working."""

    what: str
    level: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--clean",
        action="store_true",
        help="remove the shared memory that killed processes left behind",
    )


def run(args: argparse.Namespace) -> int:
    checks: tuple[Callable[[], list[Finding]], ...] = (
        _machine,
        _libraries,
        _runtimes,
        _gpu,
        _models,
        _middleware,
        _cv_bridge,
        _log_folder,
        _running_nodes,
    )
    if args.clean:
        shared_memory.remove(shared_memory.abandoned())
    findings = [finding for check in checks for finding in _findings_of(check)]
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{_MARKS[finding.level]}  {finding.what}: {finding.text}")
    return 1 if any(finding.level == _FAIL for finding in findings) else 0


def _findings_of(check: Callable[[], list[Finding]]) -> list[Finding]:
    """A check's findings; one that fails is a finding, too, and does not stop the others."""
    try:
        return check()
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [Finding(check.__name__.strip("_").replace("_", " "), _FAIL, reason)]


def _log_folder() -> list[Finding]:
    from pose_estimation_ros.ros.log_folder import provide_log_folder, usual_folder

    usual, before = usual_folder(), os.environ.get("ROS_LOG_DIR")
    words = provide_log_folder()
    if not words and os.environ.get("ROS_LOG_DIR") == before:
        return [Finding("log", _OK, str(usual))]
    text = (
        f"ROS cannot write to {usual}: set ROS_LOG_DIR to a folder that can be written, /tmp say"
    )
    return [Finding("log", _NOTE, text)]


def _machine() -> list[Finding]:
    cores = usable_cores()
    flags = cpu_flags()
    useful = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "asimddp")
    features = ", ".join(flag for flag in useful if flag in flags) or "none known"
    python = platform.python_version()
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    python += "" if supported else ": use 3.10 to 3.13"
    return [
        Finding("package", _OK, f"pose_estimation_ros {version()}"),
        Finding("Python", _OK if supported else _FAIL, python),
        Finding("CPU", _OK, f"{cores} cores, {platform.machine()}, features: {features}"),
    ]


def _import(module: str) -> tuple[str | None, str]:
    """Returns a module's version, or None and the reason why it cannot be imported."""
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a broken extension module may raise anything
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return str(getattr(found, "__version__", "present")), ""


def _libraries() -> list[Finding]:
    findings = []
    packages = {
        "numpy": "numpy",
        "cv2": "opencv-python-headless",
        "psutil": "psutil",
        "yaml": "PyYAML",
    }
    for module, package in packages.items():
        found, why = _import(module)
        text = found or f"cannot be imported ({why}): pip install {package}"
        findings.append(Finding(module, _OK if found else _FAIL, text))
    return findings


def _runtimes() -> list[Finding]:
    found, why = _import("onnxruntime")
    text = f"{found}, for .onnx models unless another is named" if found else ""
    text = text or f"cannot be imported ({why}): pip install onnxruntime"
    findings = [Finding("runtime onnxruntime", _OK if found else _FAIL, text)]
    for name, module, what in (
        ("openvino", "openvino", "OpenVINO models, and others where runtime names it"),
        ("litert", "ai_edge_litert", ".tflite models"),
        ("torch", "torch", ".pt and .pth models"),
    ):
        package = module.replace("_", "-")
        # Not imported, which would take seconds.
        there = importlib.util.find_spec(module) is not None
        text = f"not installed; optional, for {what}: pip install {package}"
        if there:
            text = f"installed, for {what}"
        findings.append(Finding(f"runtime {name}", _OK if there else _NOTE, text))
    return findings


def _gpu() -> list[Finding]:
    gpu = Gpu()
    use = gpu.use()
    if use is None:
        text = f"none answers ({gpu.why_not}): models run on the CPU"
        return [Finding("GPU", _NOTE, text)]
    text = f"{gpu.name}, {use.used_mb:.0f} of {use.total_mb:.0f} MB used"
    try:
        import onnxruntime

        providers = onnxruntime.get_available_providers()
    except ImportError:
        providers = []
    if not any("CUDA" in name or "Tensorrt" in name for name in providers):
        text += "; unused: this onnxruntime has no CUDA (pip install onnxruntime-gpu)"
        return [Finding("GPU", _NOTE, text)]
    return [Finding("GPU", _OK, text)]


def _models() -> list[Finding]:
    findings = []
    for entry in packaged_manifest().entries.values():
        if not entry.default:
            continue
        try:
            entry.verify()
            findings.append(Finding(f"model {entry.name}", _OK, "whole"))
        except PoseEstimationError as error:
            findings.append(Finding(f"model {entry.name}", _FAIL, str(error)))
    return findings


def _middleware() -> list[Finding]:
    found, _ = _import("rclpy")
    if not found:
        text = "not found: `pose_estimation video` works, the node does not; source ROS 2 Jazzy"
        return [Finding("ROS 2", _NOTE, text)]
    from rclpy.utilities import get_rmw_implementation_identifier

    rmw = get_rmw_implementation_identifier()
    distro = os.environ.get("ROS_DISTRO", "of unknown distribution")
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    findings = [Finding("ROS 2", _OK, f"{distro}, {rmw}, domain {domain}")]
    found, why = _import("pose_estimation_ros.msg")
    text = "built" if found else f"not importable ({why}): build the package and source its setup"
    findings.append(Finding("messages", _OK if found else _FAIL, text))
    if "fastrtps" in rmw:
        findings += [_dds_profile(), _shared_memory()]
    return findings


def _export() -> str:
    return f"export {VARIABLES[0]}={packaged_profiles()[VARIABLES[0]]}"


def _dds_profile() -> Finding:
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    for variable, profile in given.items():
        if not Path(profile).is_file():
            text = f"{profile} does not exist: correct {variable}"
            return Finding("DDS profile", _FAIL, text)
    if is_configured(os.environ, Path.cwd()):
        text = ", ".join(dict.fromkeys(given.values())) or "set by the environment"
        return Finding("DDS profile", _OK, text)
    text = f"none here: large images get lost; for camera and node: {_export()}"
    return Finding("DDS profile", _NOTE, text)


def _shared_memory() -> Finding:
    what = "shared memory"
    if not shared_memory.FOLDER.is_dir():
        text = f"there is no {shared_memory.FOLDER}: images go through UDP, which loses large ones"
        return Finding(what, _NOTE, text)
    total = shared_memory.total_bytes()
    left = shared_memory.abandoned()
    if left:
        size = sum(segment.stat().st_size for segment in left if segment.exists())
        text = (
            f"{len(left)} segments, {size / 1e6:.0f} MB, were left by processes that were killed: "
            "remove them with: pose_estimation doctor --clean (as their user)"
        )
        return Finding(what, _NOTE, text)
    if total < shared_memory.ENOUGH_BYTES:
        text = (
            f"{total / 1e6:.0f} MB in all: too little for large images; in Docker start the "
            "container with --ipc=host or --shm-size=512m"
        )
        return Finding(what, _NOTE, text)
    return Finding(what, _OK, f"{total / 1e6:.0f} MB, nothing abandoned in it")


def _cv_bridge() -> list[Finding]:
    why = why_unusable()
    if not why:
        return [Finding("cv_bridge", _OK, "importable (not needed: images are read without it)")]
    text = f"not importable ({why}): no harm, images are read without it"
    return [Finding("cv_bridge", _NOTE, text)]


def _running_nodes() -> list[Finding]:
    """Reports the status of running nodes, and image topics without a DDS profile."""
    try:
        from pose_estimation_ros.ros.health.diagnostics_listener import listen
        from pose_estimation_ros.ros.health.status_report import OK
    except ImportError:
        return []  # reported by the checks above
    heard = listen()
    if not heard.statuses:
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        return [Finding("running nodes", _NOTE, f"none heard on domain {domain}")]
    findings = [
        Finding(name, _OK if status.level == OK else _NOTE, status.message)
        for name, status in sorted(heard.statuses.items())
    ]
    if heard.unprofiled:
        text = (
            f"no DDS profile at {', '.join(heard.unprofiled)}: large images get lost; {_export()}"
        )
        findings.append(Finding("image topics", _NOTE, text))
    return findings
