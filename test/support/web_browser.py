"""A real browser without a window."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")


@contextlib.contextmanager
def open_browser(*arguments: str) -> Iterator[Any]:
    """Playwright's Chromium with further arguments; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        words = ["--no-sandbox", *arguments]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        try:
            yield browser
        finally:
            browser.close()
