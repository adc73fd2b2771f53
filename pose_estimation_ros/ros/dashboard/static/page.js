// Shows what /api/events says, and sends wishes to the node. No request leaves this server.
import { make, rows, text, seconds, milliseconds, number } from "./elements.js";
import { buildParameters, showParameters } from "./parameters.js";
import { wish } from "./wish.js";

const $ = (id) => document.getElementById(id);
let chosen = "";   // the camera
let state = null;
let picture = { wanted: true, camera: null, asked: 0 };

const DROPS = {
  "replaced by a newer one": "the camera is faster than the models, which always take the newest",
  "rate limit": "target_fps asks for fewer",
  "disabled": "they came while the node was disabled",
  "deactivated": "they waited when the node was deactivated",
  "cancelled": "they were given up when the node stopped",
  "unusable image": "what is wrong with them is in the node's log",
  "model failed": "the error is in the node's log",
  "internal error": "the error is in the node's log",
};

function show(next) {
  state = next;
  const cameras = state.alive ? state.cameras : [];
  const camera = cameras.find((one) => one.name === chosen) ?? cameras[0] ?? null;
  text($("node"), state.node || "no node yet");
  $("lifecycle").hidden = !state.lifecycle;
  text($("lifecycle"), state.lifecycle);
  showHeadline(state.headline);
  showCameras(cameras, camera);
  $("enabled").disabled = state.enabled === null;
  text($("enabled"), state.enabled === false ? "Enable" : "Disable");
  $("reset").disabled = !state.alive || !cameras.length;
  showTiles(camera);
  showPersons(camera);
  showStages(camera);
  showDrops(camera);
  showModels(state.alive ? state.process.models ?? [] : []);
  showProcess(state.alive ? state.process : {});
  showPicture(camera);
  showParameters(state.parameters);
}

function showHeadline(headline) {
  $("status").dataset.level = headline.level;
  text($("title"), headline.title);
  text($("advice"), headline.text);
  text(document, `${headline.title} · pose estimation`, "title");
}

function showCameras(cameras, camera) {
  $("choose").hidden = cameras.length < 2;
  const names = cameras.map((one) => one.name);
  const options = [...$("camera").options].map((one) => one.value);
  if (names.join() !== options.join()) {
    $("camera").replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  }
  if (camera) $("camera").value = chosen = camera.name;
}

function showTiles(camera) {
  const dropped = (camera?.drops ?? []).reduce((sum, one) => sum + one.count, 0);
  const process = state.alive ? state.process : {};
  const came = camera?.poses_came_s_ago ?? null;
  text($("age"), milliseconds(camera?.age_ms));
  text($("age-note"), came === null ? "none heard yet" : `last came ${seconds(came)} ago`);
  text($("count"), came !== null && came < 2 ? String(camera.persons.length) : "–");
  text($("count-note"), camera?.pipeline ? `pipeline ${camera.pipeline}` : "");
  text($("rate"), number(camera?.rate_out));
  text($("rate-note"), camera ? `${number(camera.rate_in)} images a second come` : "");
  text($("dropped"), camera ? String(dropped) : "–");
  text($("dropped-note"), camera ? `of ${camera.received ?? 0} received` : "");
  text($("memory"), process.memory_mb ? `${Math.round(process.memory_mb)} MB` : "–");
  const budget = process.memory_budget_mb;
  text($("memory-note"), budget ? `budget ${Math.round(budget)} MB` : process.memory_mb ? "no budget set" : "");
}

function showPersons(camera) {
  const persons = camera?.persons ?? [];
  rows($("persons"), persons.map((one) => [
    one.id < 0 ? "untracked" : one.state === "tracked" ? `${one.id}` : `${one.id} (${one.state})`,
    one.score.toFixed(2),
    one.distance_m === null ? "unknown" : `${one.distance_m.toFixed(2)} m`,
    one.seen_for_s === null ? "–" : seconds(one.seen_for_s),
  ]));
  const answers = (camera?.poses_came_s_ago ?? 9) < 2;
  $("nobody").hidden = persons.length > 0;
  text($("nobody"), answers ? "Nobody." : "No poses are coming.");
  const why = camera?.positions ?? "";
  const from = camera?.positions_frame ? `Distances from the origin of ${camera.positions_frame}; times since this page first saw the person.` : "";
  text($("positions"), why && why !== "in metres" ? `No distances: ${why}` : from);
}

function showStages(camera) {
  const stages = camera?.stages ?? [];
  const longest = Math.max(...stages.map((one) => one.p95_ms ?? 0), 0.001);
  rows($("stages"), stages.map((one) => [one.name, "", milliseconds(one.mean_ms), milliseconds(one.p95_ms)]));
  stages.forEach((one, index) => {
    const cell = $("stages").rows[index].cells[1];
    if (!cell.firstElementChild) {
      cell.append(make("span", { className: "track", ariaHidden: "true" }, make("i"), make("i")));
    }
    const [late, mean] = cell.querySelectorAll("i");
    late.style.width = `${100 * (one.p95_ms ?? 0) / longest}%`;
    mean.style.width = `${100 * (one.mean_ms ?? 0) / longest}%`;
  });
  $("no-stages").hidden = stages.length > 0;
}

function list(id, items) {
  const key = JSON.stringify(items);
  if ($(id).dataset.key === key) return;
  $(id).dataset.key = key;
  $(id).replaceChildren(...items.map(([strong, ...lines]) => make("li", {},
    make("p", {}, make("strong", {}, strong)),
    ...lines.filter(Boolean).map((line) => make("p", { className: line.startsWith("!") ? "reason" : "note" },
      line.replace(/^!/, ""))))));
}

function showDrops(camera) {
  const drops = camera?.drops ?? [];
  list("drops", drops.map((one) => [`${one.count}: ${one.reason}`, DROPS[one.reason] ?? ""]));
  $("no-drops").hidden = drops.length > 0;
  text($("no-drops"), camera ? "Nothing." : "Nothing is known.");
}

function showModels(models) {
  list("models", models.map((one) => [
    `${one.what}: ${one.active}`,
    one.as_asked ? "as asked for" : `not the one asked for; candidate ${one.candidate}`,
    ...one.reasons.map((reason) => `!${reason}`),
    one.failures ? `${one.failures} failures so far` : "",
  ]));
  $("no-models").hidden = models.length > 0;
}

function showProcess(process) {
  const pairs = [
    ["Machine", process.host],
    ["CPU", process.cpu_percent != null && `${Math.round(process.cpu_percent)} % of one core, of ${process.cores}`],
    ["Workers", process.workers != null && `${process.workers}, ${Math.round(process.worker_use_percent)} % used`],
    ["Threads", process.threads],
    ["GPU", process.gpu && `${process.gpu}, ${Math.round(process.gpu_percent)} %`],
  ].filter(([, value]) => value || value === 0);
  $("process-title").hidden = pairs.length === 0;
  const key = JSON.stringify(pairs);
  if ($("process").dataset.key === key) return;
  $("process").dataset.key = key;
  $("process").replaceChildren(...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, `${value}`)]));
}

function showPicture(camera) {
  const now = Date.now();
  const watched = picture.wanted && !document.hidden && camera;
  if (!watched && picture.camera !== null) {
    $("picture").removeAttribute("src");  // ends the request, and so the node's work for it
    picture.camera = null;
  } else if (watched && (picture.camera !== camera.name || (!camera.picture_comes && now - picture.asked > 5000))) {
    picture.camera = camera.name;
    picture.asked = now;
    $("picture").src = `/api/picture?camera=${encodeURIComponent(camera.name)}&at=${now}`;
    $("picture").alt = `Live picture of ${camera.topic || camera.name} with skeletons`;
  }
  if (watched && camera.picture_comes) picture.asked = now;
  const comes = Boolean(watched && camera.picture_comes);
  $("picture").hidden = !comes;
  $("no-picture").hidden = comes;
  text($("show"), picture.wanted ? "Stop picture" : "Show picture");
  text($("no-picture"), !picture.wanted ? "The picture is stopped, and costs the node nothing."
    : !camera ? "No picture: no node." : camera.level === "ok" ? "The picture is coming." : "No picture: there are no answers to draw.");
}

$("camera").addEventListener("change", () => { chosen = $("camera").value; show(state); });
$("show").addEventListener("click", () => { picture.wanted = !picture.wanted; if (state) show(state); });
document.addEventListener("visibilitychange", () => { if (state) showPicture(state.alive ? state.cameras.find((one) => one.name === chosen) ?? null : null); });
$("enabled").addEventListener("click", async () => {
  const said = await wish("enabled", { value: state.enabled === false });
  text($("answer"), said.done ? `The node is ${said.text}.` : said.text);
});
$("reset").addEventListener("click", async () => text($("answer"), (await wish("reset", {})).text));

await buildParameters($("main-parameters"), $("more-parameters"));

function listen() {
  const events = new EventSource("/api/events");
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => {
    showHeadline({ level: "away", title: "The page's server is away", text: "pose_estimation dashboard has ended, or cannot be reached. The page goes on when it is back; where a token is demanded, open the address that it prints." });
    for (const button of document.querySelectorAll(".buttons button")) button.disabled = true;
    // Browsers try again by themselves after a lost connection, but not after a refusal.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}
listen();
