"""Gathers the pages of the documentation's site: site_source.py FOLDER.

They are the files that one reads in the repository, docs/ and a few outside it, and link to one
another as they lie there. Here each is copied to its place on the site, and its links are turned
to the places of the others; those to files that are no pages lose their link.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The place on the site of each file outside docs/.
OUTSIDE = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "training/README.md": "training.md",
    "models/person_detector.md": "models/person_detector.md",
    "models/convnextpose_xs_coco17.md": "models/convnextpose_xs_coco17.md",
}
CONTENTS = {
    "Use": [
        "getting_started",
        "node",
        "parameters",
        "view",
        "dashboard",
        "cli",
        "models",
        "docker",
        "scale",
        "troubleshooting",
    ],
    "Rely on": ["performance", "reliability", "faults", "security"],
    "Models": [
        "models/person_detector",
        "models/convnextpose_xs_coco17",
        "training",
        "experiments/README",
    ],
    "Take part": ["contributing", "architecture", "releasing", "changelog"],
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def places() -> dict[str, str]:
    """The place on the site of every file that is on it, by its place in the repository."""
    inside = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").rglob("*"))
        if path.is_file()
    ]
    return {**{name: name.removeprefix("docs/") for name in inside}, **OUTSIDE}


def turn_links(text: str, source: str, known: dict[str, str]) -> str:
    """A page's text with its links turned; code blocks stay as they are."""
    here = posixpath.dirname(known[source])

    def turned(match: re.Match[str]) -> str:
        mark, words, target, anchor = match.groups()
        if "://" in target or target.startswith("mailto:"):
            return match.group()
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if aim in known:
            return f"{mark}[{words}]({posixpath.relpath(known[aim], here or '.')}{anchor})"
        if not (ROOT / aim).exists():
            raise SystemExit(f"{source}: the link to {target} leads nowhere")
        return words

    parts = _FENCE.split(text)  # those at odd places are code
    parts[::2] = [_LINK.sub(turned, part) for part in parts[::2]]
    return "".join(parts)


def contents() -> str:
    """The site's table of contents, which its first page carries."""
    blocks = []
    for caption, pages in CONTENTS.items():
        names = "\n".join(pages)
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{names}\n```\n")
    return "\n" + "\n".join(blocks)


def main(folder: Path) -> None:
    """Writes everything that Sphinx reads."""
    shutil.rmtree(folder, ignore_errors=True)
    known = places()
    for source, place in known.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix != ".md":
            shutil.copyfile(ROOT / source, target)
            continue
        text = turn_links((ROOT / source).read_text(encoding="utf-8"), source, known)
        if place == "index.md":
            text += contents()
        if place == "experiments/README.md":
            text += "\n```{toctree}\n:hidden:\n:glob:\n\n2*\n```\n"
        target.write_text(text, encoding="utf-8")
    shutil.copyfile(ROOT / "scripts" / "site_conf.py", folder / "conf.py")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
