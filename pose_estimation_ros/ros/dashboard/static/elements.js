// Small helpers. Text from the node only ever becomes text, never markup.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Only where it changes, so that screen readers speak what is new, and nothing twice.
export function text(element, value, property = "textContent") {
  if (element[property] !== value) element[property] = value;
}

export function rows(body, wanted) {
  body.parentElement.hidden = wanted.length === 0;
  while (body.rows.length > wanted.length) body.deleteRow(-1);
  wanted.forEach((values, index) => {
    const row = body.rows[index] ?? body.insertRow();
    values.forEach((value, column) => {
      const cell = row.cells[column] ?? row.insertCell();
      if (value !== "") text(cell, value);
    });
  });
}

export const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(1));

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 10000) return seconds(value / 1000);
  return Math.abs(value) < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

export function seconds(value) {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return `${Math.round(value / 3600)} h`;
}
