"""A real dashboard in a process of its own, and a real browser that looks at it."""

from __future__ import annotations

import http.client
import re
import sys
from urllib.parse import urlsplit

from processes import Process, Rig


class Dashboard:
    """The process, and requests to it as they stand."""

    def __init__(self, rig: Rig, *arguments: str) -> None:
        command = [sys.executable, "-m", "pose_estimation_ros.cli.main", "dashboard"]
        command += ["--ros", rig.namespace, "--port", "0", *arguments]
        self.process: Process = rig.start(command, "dashboard")
        rig.client.spin_until(lambda: "Ctrl-C" in self.process.output or not self.running)
        assert self.running, self.process.output
        self.url = re.search(r"http://\S+", self.process.output).group()
        self.port = urlsplit(self.url).port

    @property
    def running(self) -> bool:
        return self.process.running

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of the answer; `_` in the names of headers stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return response.status, response.read().decode(), lowered
        finally:
            connection.close()


# Of every text that is seen: what it is, the contrast of WCAG 2 with the ground it lies on, and
# the least that level AA asks for. Grounds are plain colours here, so none is mixed.
CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if ((colour[3] ?? 1) === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if ((!own && element.tagName !== "INPUT") || element.disabled) continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(ground(element))];
    const size = parseFloat(style.fontSize), bold = style.fontWeight >= 700;
    found.push({
      what: `${element.tagName} ${element.id} ${element.textContent.trim().slice(0, 30)}`,
      contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
      least: size >= 24 || (bold && size >= 18.66) ? 3 : 4.5,
    });
  }
  return found;
}"""

# Every control that may be used now, by what is told apart.
CONTROLS = """() => [...document.querySelectorAll("button, input, select, summary, a[href]")]
  .filter((e) => !e.disabled && e.checkVisibility())
  .map((e) => e.id || e.getAttribute("aria-label") || e.textContent)"""
FOCUSED = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  return {
    name: e === document.body ? "" : e.id || e.getAttribute("aria-label") || e.textContent,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
  };
}"""
