// What rows are worth, measured on held-out real rows: a bar a way of training.

import { h } from "./dom.js";

const NAMES = { real: "real rows", synthetic: "synthetic rows", both: "both" };

// What is on the wire may be a number, or {mean, sd}.
const mean = (value) => (value && typeof value === "object" ? value.mean : value);

export function quality(found) {
  if (!found) return h("p", { class: "hint" }, "Not measured yet.");
  const bars = Object.entries(NAMES).filter(([kind]) => Number.isFinite(mean(found[kind]))).map(([kind, name]) => {
    const value = mean(found[kind]);
    const bar = h("i", { class: kind });
    bar.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
    return h("div", {}, h("dt", {}, name), h("dd", {}, h("span", { class: "bar", "aria-hidden": "true" }, bar), h("b", {}, value.toFixed(3))));
  });
  return h("div", { class: "quality" }, h("p", { class: "hint" }, `${found.metric} on held-out real rows, trained on`), h("dl", {}, bars));
}
