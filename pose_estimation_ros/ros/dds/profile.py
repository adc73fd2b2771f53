"""The Fast DDS profile for large images: is it set here, and in the publishers' processes?

Without a profile such as `config/fastdds_images.xml` at both ends most large images are lost. Of
another process that is told by its environment: Fast DDS puts the machine and the process into
each endpoint's identifier. What runs on other machines cannot be seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pose_estimation_ros.package_files import share_folder

# The first is Fast DDS 2's (ROS 2 Jazzy and before), the second Fast DDS 3's, which takes no file
# with a name of an element that it has changed.
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
_FILES = ("fastdds_images.xml", "fastdds3_images.xml")
_TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
_IN_FOLDER = ("DEFAULT_FASTRTPS_PROFILES.xml", "DEFAULT_FASTDDS_PROFILES.xml")
# An identifier: vendor (2 bytes), machine (2), process (the lower half of its number, 2), ...
_VENDOR, _MACHINE, _PROCESS = b"\x01\x0f", slice(0, 4), slice(4, 6)


def packaged_profiles() -> dict[str, str]:
    """The profiles that come with this package, by the variables that name them."""
    folder = share_folder() / "config"
    return {name: str(folder / file) for name, file in zip(VARIABLES, _FILES, strict=True)}


def is_configured(environment: Mapping[str, str], folder: Path | None = None) -> bool:
    """Whether a process with this environment and working folder sets Fast DDS's transports."""
    if environment.get(_TRANSPORTS, "").startswith("LARGE_DATA"):
        return True
    files = [Path(environment[name]) for name in VARIABLES if environment.get(name)]
    if folder is not None:
        files = [folder / file for file in files] + [folder / name for name in _IN_FOLDER]
    return any(file.is_file() for file in files)


def defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that set the packaged profile; none if the user has set one."""
    chosen = any(environment.get(name) for name in (*VARIABLES, _TRANSPORTS))
    return {} if chosen else packaged_profiles()


def _processes(gid: bytes) -> list[Path]:
    """The folders in /proc of the processes that may own this identifier."""
    low = int.from_bytes(gid[_PROCESS], "little")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) & 0xFFFF == low:
            try:
                if "libfastrtps" in (text := (folder / "maps").read_text()) or "fastdds" in text:
                    found.append(folder)
            except OSError:  # gone meanwhile, or another user's
                continue
    return found


def without_profile(publishers: Iterable[Any], own_gid: Sequence[int]) -> list[str]:
    """The publishers (rclpy's TopicEndpointInfo), by node, that certainly lack a profile.

    `own_gid` is the identifier of an endpoint of this process, which tells this machine's.
    """
    own, names = bytes(own_gid), []
    for publisher in publishers:
        gid = bytes(publisher.endpoint_gid)
        if not own.startswith(_VENDOR) or gid[_MACHINE] != own[_MACHINE]:
            continue
        processes = _processes(gid)
        if len(processes) == 1 and not _has_profile(processes[0]):
            node = f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
            names.append(f"{node} (process {processes[0].name})")
    return sorted(set(names))


def _has_profile(process: Path) -> bool:
    """Whether a process, given by its folder in /proc, has a profile; True if unknown."""
    try:
        entries = (process / "environ").read_bytes().split(b"\0")
        folder = (process / "cwd").readlink()
    except OSError:
        return True
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if entry)
    return is_configured({name: value for name, _, value in pairs}, folder)


def own_gid(node: Any) -> Sequence[int]:
    """The identifier of an endpoint of this node; empty where it has none."""
    for topic, _ in node.get_publisher_names_and_types_by_node(
        node.get_name(), node.get_namespace()
    ):
        for publisher in node.get_publishers_info_by_topic(topic):
            if publisher.node_name == node.get_name():
                gid: Sequence[int] = publisher.endpoint_gid
                return gid
    return []


def unprofiled(node: Any, publishers: Iterable[Any]) -> list[str]:
    """Names the processes that lack the profile: this one, and publishers on this machine."""
    from rclpy.utilities import get_rmw_implementation_identifier

    if "fastrtps" not in get_rmw_implementation_identifier():
        return []
    here = [] if is_configured(os.environ, Path.cwd()) else ["this node"]
    return here + without_profile(publishers, own_gid(node))
