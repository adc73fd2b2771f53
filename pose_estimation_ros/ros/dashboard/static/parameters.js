// A field for every parameter that may change while the node runs.
import { make, text } from "./elements.js";
import { wish } from "./wish.js";

const MAIN = ["confidence_threshold", "min_pose_score", "max_persons", "target_fps"];
const fields = new Map();  // name -> { input, shown, edited }

export async function buildParameters(main, more) {
  const table = await (await fetch("/api/parameters")).json();
  const first = MAIN.map((name) => table.find((one) => one.name === name)).filter(Boolean);
  for (const one of first) main.append(field(one));
  for (const one of table.filter((other) => !first.includes(other))) more.append(field(one));
}

function field(parameter) {
  const { name, kind } = parameter;
  const id = `parameter-${name}`;
  const yes = kind === "bool";
  // Not type=number: what the node would refuse has to reach it, as its reason is shown.
  const input = make("input", { id, type: yes ? "checkbox" : "text", disabled: true, autocomplete: "off" });
  if (kind === "int") input.inputMode = "numeric";
  if (kind === "float") input.inputMode = "decimal";
  input.setAttribute("aria-describedby", `${id}-help ${id}-said`);
  const said = make("output", { id: `${id}-said` });
  said.setAttribute("for", id);
  const button = make("button", { type: "submit", disabled: true }, "Set");
  button.setAttribute("aria-label", `Set ${name}`);
  const held = { input, button, edited: false };
  fields.set(name, held);
  const form = make("form", { className: "parameter", noValidate: true },
    make("label", { htmlFor: id }, name),
    make("div", { className: "field" }, input, ...(parameter.unit ? [parameter.unit] : []), ...(yes ? [] : [button])),
    make("p", { className: "note", id: `${id}-help` }, help(parameter)),
    said);
  const set = async () => {
    const answer = await wish("parameter", { name, value: yes ? input.checked : input.value.trim() });
    said.dataset.done = answer.done;
    text(said, answer.text);
    held.edited = !answer.done && !yes;
  };
  input.addEventListener("input", () => { held.edited = true; });
  if (yes) input.addEventListener("change", set);
  form.addEventListener("submit", (event) => { event.preventDefault(); set(); });
  return form;
}

function help({ help: what, range, choices }) {
  const allowed = choices.length ? ` One of: ${choices.join(", ")}.` : range ? ` ${range}.` : "";
  return `${what}${allowed}`.replaceAll("`", "");
}

export function showParameters(values) {
  for (const [name, { input, button, edited }] of fields) {
    const known = name in values;
    input.disabled = button.disabled = !known;
    if (!known || edited || (document.activeElement === input && input.type !== "checkbox")) continue;
    if (input.type === "checkbox") input.checked = values[name];
    else if (input.value !== `${values[name]}`) input.value = `${values[name]}`;
  }
}
