// What several views let a person switch.

import { h, newId } from "../dom.js";

export const same = (a, b) => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];

export function swatch(colour, tone) {
  const box = h("i", { class: `swatch ${tone ?? ""}`, "aria-hidden": "true" });
  if (colour) box.style.background = colour;
  return box;
}

// A row of switches, one a name; `hidden` (a Set in the state) holds the numbers of those that are off.
export function toggles(title, state, key, entries) {
  if (!entries.length) return null;
  const group = h("fieldset", { class: "toggles" }, h("legend", {}, title));
  for (const { number, name, colour, tone } of entries) {
    const box = h("input", { type: "checkbox", checked: !state.get(key, new Set()).has(number) });
    box.addEventListener("change", () => {
      const hidden = new Set(state.get(key, new Set()));
      if (box.checked) hidden.delete(number);
      else hidden.add(number);
      state.set(key, hidden);
    });
    group.append(h("label", {}, box, swatch(colour, tone), h("bdi", {}, name)));
  }
  return group;
}

export function slider(title, state, key, { low, high, step, value, show }) {
  const id = newId();
  const out = h("output", { for: id }, show(value));
  const input = h("input", { id, type: "range", min: low, max: high, step, value: String(value) });
  input.addEventListener("input", () => {
    out.textContent = show(Number(input.value));
    state.set(key, Number(input.value));
  });
  return h("div", { class: "slider" }, h("label", { for: id }, title), input, out);
}

export function check(title, state, key, value) {
  const box = h("input", { type: "checkbox", checked: state.get(key, value) });
  box.addEventListener("change", () => state.set(key, box.checked));
  return h("label", { class: "check" }, box, title);
}
