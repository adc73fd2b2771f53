"""The page about a running node, in a real browser: one node, one camera, one server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from dashboard import CONTRASTS, CONTROLS, FOCUSED, Dashboard
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from processes import Rig, open_rig
from rcl_interfaces.srv import GetParameters
from web_browser import open_browser

pytestmark = pytest.mark.processes

_CAMERA = ("--prepared", "--rate", "5", "--seconds", "600", "--size", "640x360")
_WAIT_MS = 45_000  # a busy machine takes long to start a node


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with open_rig("the_page", tmp_path_factory.mktemp("page")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(stage: Rig) -> Iterator[Any]:
    """The page, opened before there is a node."""
    with open_browser() as browser:
        stage.dashboard = Dashboard(stage)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(_WAIT_MS)
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto(stage.dashboard.url)
        _title(page, "No node")
        stage.node = stage.start_node(wait=False, runtime="onnxruntime", autostart="false")
        stage.start_camera(*_CAMERA)
        yield page


def _title(page: Any, title: str) -> None:
    page.get_by_role("heading", name=title, exact=True).wait_for()


def _parameter(stage: Rig, name: str) -> float:
    request = GetParameters.Request(names=[name])
    answer = stage.client.call(GetParameters, "pose_estimation/get_parameters", request)
    return answer.values[0].double_value


def test_a_node_that_is_not_configured_says_what_it_waits_for(page: Any, stage: Rig) -> None:
    _title(page, "Not configured yet")
    page.get_by_text(f"ros2 lifecycle set {stage.namespace}/pose_estimation configure").wait_for()
    page.get_by_text("unconfigured", exact=True).wait_for()
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        name = "pose_estimation/change_state"
        assert stage.client.call(ChangeState, name, request, timeout_s=60).success


def test_a_node_that_comes_is_found_and_shown(page: Any) -> None:
    _title(page, "Poses are coming")
    page.locator("#persons tr").first.wait_for()
    rows = page.locator("#persons tr").all_inner_texts()
    assert all(re.fullmatch(r"\d+( \(new\))?\t0\.\d\d\t\d+\.\d\d m\t.+ (s|min)", r) for r in rows)
    assert re.fullmatch(r"[\d.]+ (ms|s)", page.locator("#age").inner_text())
    assert re.fullmatch(r"last came [\d.]+ s ago", page.locator("#age-note").inner_text())
    page.get_by_text("active", exact=True).wait_for()
    stages = page.locator("#stages tr").all_inner_texts()
    assert [row.split("\t")[0] for row in stages][-3:] == ["track", "publish", "total"]
    assert "person_detector" in page.locator("#models").inner_text()
    assert page.locator("#memory").inner_text().endswith(" MB")
    assert page.problems == []


def test_the_picture_is_made_while_somebody_looks(page: Any, stage: Rig) -> None:
    topic = f"{stage.namespace}/image_annotated/compressed"
    page.locator("#picture").wait_for()
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 640
    stage.client.spin_until(lambda: stage.client.node.count_subscribers(topic) == 1)
    page.get_by_role("button", name="Stop picture").click()
    stage.client.spin_until(lambda: stage.client.node.count_subscribers(topic) == 0)
    page.get_by_text("The picture is stopped").wait_for()


def test_disable_stops_the_poses_and_enable_goes_on(page: Any, stage: Rig) -> None:
    page.get_by_role("button", name="Disable").click()
    _title(page, "Disabled")
    page.get_by_text("The node is disabled.", exact=True).wait_for()
    stage.client.spin_for(0.5)  # what was on its way
    count = len(stage.client.poses)
    stage.client.spin_for(1.5)
    assert len(stage.client.poses) == count
    page.get_by_text("No poses are coming.").wait_for()
    page.get_by_role("button", name="Enable").click()
    _title(page, "Poses are coming")


def test_identities_start_anew(page: Any) -> None:
    page.get_by_role("button", name="Reset identities").click()
    page.get_by_text("identities start anew with the next frame").wait_for()


def test_a_threshold_changes_in_the_node_and_a_refusal_shows_why(page: Any, stage: Rig) -> None:
    field = page.get_by_label("confidence_threshold", exact=True)
    said = page.locator("#parameter-confidence_threshold-said")
    field.fill("0.35")
    field.press("Enter")
    page.get_by_text("confidence_threshold is now 0.35").wait_for()
    assert _parameter(stage, "confidence_threshold") == 0.35
    field.fill("7")
    page.get_by_role("button", name="Set confidence_threshold").click()
    page.locator("#parameter-confidence_threshold-said[data-done=false]").wait_for()
    assert "confidence_threshold" in said.inner_text()
    assert "range" in said.inner_text()
    assert _parameter(stage, "confidence_threshold") == 0.35
    field.fill("many")
    field.press("Enter")
    page.get_by_text("confidence_threshold: expected a number").wait_for()


def test_every_control_is_reached_by_the_keyboard_and_shows_it(page: Any) -> None:
    page.get_by_text("More parameters").click()
    page.get_by_label("enable_tracking").wait_for()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    wanted = page.evaluate(CONTROLS)
    assert len(wanted) == len(set(wanted)) > 20
    reached = []
    for _ in range(len(wanted) + 2):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["name"]:
            assert focused["outline"] >= 2, focused
            reached.append(focused["name"])
    assert set(wanted) <= set(reached)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select')]"
        ".filter((e) => !e.labels.length).map((e) => e.id)"
    )
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_that_of_wcag_aa(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 60
    assert [one for one in found if one["contrast"] < one["least"]] == []
    for level in ("ok", "warn", "error", "stale", "paused", "away"):
        page.evaluate(f"document.getElementById('status').dataset.level = '{level}'")
        found = page.evaluate(CONTRASTS)
        assert [one for one in found if one["contrast"] < one["least"]] == [], level
    page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("width", [1200, 400])
def test_nothing_scrolls_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('body *')]"
        ".map((e) => e.getBoundingClientRect().right))"
    )
    assert widest <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1200, "height": 900})


def test_a_node_that_dies_and_comes_back_with_two_cameras(page: Any, stage: Rig) -> None:
    stage.node.kill()
    _title(page, "The node is away")
    assert page.get_by_role("button", name="Reset identities").is_disabled()
    stage.start_node(wait=False, runtime="onnxruntime", cameras="[front, rear]")
    _title(page, "No images")
    page.get_by_label("Camera").select_option("rear")
    page.get_by_text(f"front: no publisher on {stage.namespace}/front/image").wait_for()
    assert page.get_by_label("Camera").locator("option").all_inner_texts() == ["front", "rear"]


def test_no_request_leaves_the_machine(page: Any) -> None:
    assert len(page.requests) > 5
    assert {urlsplit(url).hostname for url in page.requests} == {"127.0.0.1"}


def test_without_its_server_the_page_says_so_and_ctrl_c_waits_for_no_stream(
    page: Any, stage: Rig
) -> None:
    with page.expect_response(re.compile("/api/picture")):
        page.get_by_role("button", name="Show picture").click()
    assert stage.dashboard.process.interrupt() == 130
    assert stage.dashboard.process.output.endswith("pose_estimation dashboard: interrupted\n")
    _title(page, "The page's server is away")
    assert page.problems == []


def test_with_its_server_back_the_page_goes_on_even_after_a_refusal(page: Any, stage: Rig) -> None:
    address = ("127.0.0.1", stage.dashboard.port)
    with HTTPServer(address, BaseHTTPRequestHandler) as refusing:  # it knows no GET
        refusing.timeout = 30
        refusing.handle_request()
    stage.dashboard = Dashboard(stage, "--port", str(address[1]))
    _title(page, "No images")
