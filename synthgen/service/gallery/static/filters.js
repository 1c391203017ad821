// What narrows the rows of a run: class, kept or rejected and why, and a range of a gate's score.

import { h, newId, number } from "./dom.js";

const WAIT = 300; // milliseconds after the last key before rows are asked for

function choice(name, title, first, options, changed) {
  const id = newId();
  const node = h("select", { id, name }, h("option", { value: "" }, first), options.map(([value, shown]) => h("option", { value }, shown)));
  node.addEventListener("change", () => changed({ [name]: node.value }));
  return { node: h("div", { class: "field" }, h("label", { for: id }, title), node), input: node };
}

// {node, show(query)}; `go` is told what changed.
export function filters(facts, query, go) {
  const rejected = facts.gates.map(({ name, rows }) => [`gate=${name}`, `rejected: ${name} (${number(rows)})`]);
  const status = choice("status", "Kept or rejected", "all", [["kept=kept", `kept (${number(facts.rows.kept)})`], ...(facts.rows.rejected ? [["kept=rejected", `rejected (${number(facts.rows.rejected)})`]] : []), ...rejected], ({ status: value }) => {
    const [name, given] = value ? [value.slice(0, value.indexOf("=")), value.slice(value.indexOf("=") + 1)] : ["", ""];
    go({ kept: name === "kept" ? given : null, gate: name === "gate" ? given : null });
  });
  const classes = facts.classes.filter((one) => one.rows).map(({ name, rows }) => [name, `${name} (${number(rows)})`]);
  const label = classes.length ? choice("label", "Class", "all", classes, go) : null;
  const scores = facts.scores.length ? scoreRange(facts.scores, go) : null;
  const clear = h("button", { type: "button", class: "quiet", onclick: () => go(Object.fromEntries(["label", "kept", "gate", "score", "at_least", "at_most"].map((name) => [name, null]))) }, "Clear");
  const node = h("form", { class: "filters", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() }, status.node, label?.node, scores?.node, clear);
  function show(now) {
    const gate = now.get("gate");
    status.input.value = gate ? `gate=${gate}` : now.get("kept") ? `kept=${now.get("kept")}` : "";
    if (label) label.input.value = now.get("label") ?? "";
    scores?.show(now);
    clear.hidden = ![...now.keys()].some((name) => !["after", "before", "row"].includes(name));
  }
  show(query);
  return { node, show };
}

function scoreRange(scores, go) {
  const [low, high] = ["at_least", "at_most"].map((name) => {
    const id = newId();
    const title = name === "at_least" ? "at least" : "at most";
    return { id, title, input: h("input", { id, name, type: "number", step: "any", inputmode: "decimal" }) };
  });
  const histogram = h("div", { class: "histogram", "aria-hidden": "true" });
  const named = choice("score", "Gate score", "any", scores.map(({ name }) => [name, name.replaceAll("_", " ")]), ({ score }) => {
    low.input.value = high.input.value = "";
    go({ score, at_least: null, at_most: null });
  });
  const bounds = h("div", { class: "bounds" }, histogram, [low, high].map((one) => h("div", { class: "field" }, h("label", { for: one.id }, one.title), one.input)));
  let timer = 0;
  for (const { input } of [low, high]) {
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (low.input.validity.valid && high.input.validity.valid) go({ score: named.input.value, at_least: low.input.value, at_most: high.input.value });
      }, WAIT);
    });
  }
  function show(now) {
    const spread = scores.find((one) => one.name === now.get("score"));
    named.input.value = spread?.name ?? "";
    bounds.hidden = !spread;
    if (!spread) return;
    for (const { input } of [low, high]) if (document.activeElement !== input) input.value = now.get(input.name) ?? "";
    low.input.placeholder = number(spread.low);
    high.input.placeholder = number(spread.high);
    drawHistogram(histogram, spread, now);
  }
  return { node: h("div", { class: "score" }, named.node, bounds), show };
}

function drawHistogram(box, { low, high, counts }, now) {
  const most = Math.max(...counts, 1);
  const [from, to] = [now.has("at_least") ? Number(now.get("at_least")) : -Infinity, now.has("at_most") ? Number(now.get("at_most")) : Infinity];
  box.replaceChildren(...counts.map((count, k) => {
    const middle = low + ((k + 0.5) * (high - low)) / counts.length;
    const bar = h("i", { class: middle >= from && middle <= to ? "in" : "out" });
    bar.style.height = `${count ? Math.max(6, 100 * Math.sqrt(count / most)) : 0}%`;
    return bar;
  }));
}
