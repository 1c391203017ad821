// One row in a dialog: what it is, how the gates judged it, what real row is nearest, and how to make it again.

import { wait } from "./api.js";
import { h, number, replace } from "./dom.js";
import { words } from "./text.js";
import { show } from "./views/fields.js";

const SHOWN = new Set(["image", "mask", "series", "events", "points", "parts", "normals", "pieces", "question", "context", "answers", "translation", "messages", "intents", "slots", "mesh", "label", "objects", "pose", "written_first"]);

export class RowDialog {
  // `step(-1 | 1)` opens the neighbour, if there is one; `closed()` is told when the dialog was left.
  constructor(view, state, { scores, step, closed }) {
    Object.assign(this, { view, state, scores: scores ?? [], step, closed });
    this.title = h("h2", { id: "row-title" });
    this.body = h("div", { class: view.aside ? "sheet aside" : "sheet" });
    const button = (text, act, label) => h("button", { type: "button", class: "quiet", "aria-label": label, onclick: act }, text);
    this.node = h("dialog", { class: "row", "aria-labelledby": "row-title" },
      h("header", {}, this.title, button("‹", () => step(-1), "Previous row"), button("›", () => step(1), "Next row"), button("✕", () => this.node.close(), "Close")),
      this.body);
    this.node.addEventListener("click", (event) => {
      if (event.target === this.node) this.node.close();
    });
    this.node.addEventListener("keydown", (event) => {
      if (event.target.matches("input, textarea, select, canvas") || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        event.preventDefault();
        step(event.key === "ArrowLeft" ? -1 : 1);
      }
    });
    this.node.addEventListener("close", () => {
      this.node.remove();
      this.closed();
    });
  }

  // `brief`: the row as its tile has it; `load`: gives everything of it, or null where there is no more.
  async open(brief, load) {
    this.current = brief.index;
    replace(this.title, `Row ${brief.index}`);
    this.fill(brief, null);
    if (!this.node.isConnected) {
      document.body.append(this.node);
      this.node.showModal();
    }
    if (!load) return;
    try {
      const whole = await load();
      if (this.current === brief.index) this.fill(whole, whole);
    } catch (error) {
      if (this.current === brief.index) this.body.append(h("p", { class: "refusal" }, error.message));
    }
  }

  fill(row, whole) {
    const more = Object.entries(row.row).filter(([name]) => !SHOWN.has(name) || this.view.name === "fields");
    const status = row.gate ? h("span", { class: "badge miss" }, `rejected: ${row.gate}`) : h("span", { class: "badge good" }, "kept");
    replace(this.body,
      h("div", { class: "made" }, this.view.tile(row.row, this.state, true, row.cut)),
      h("div", { class: "told" },
        h("p", { class: "verdict" }, status, row.label === null || row.label === undefined ? null : h("bdi", { class: "label" }, row.label)),
        row.reason ? h("p", { class: "reason" }, words(row.reason)) : null,
        scoreTable(row.scores, this.scores),
        more.length && this.view.name !== "fields" ? h("dl", { class: "facts" }, more.map(([name, value]) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, show(value, this.state.features[name], true))))) : null,
        objects(row, this.state),
        whole ? remake(whole) : null,
      ),
      whole?.nearest ? this.nearest(whole) : null,
    );
  }

  nearest(whole) {
    const known = whole.nearest.distance;
    const place = h("div", { class: "real" }, h("p", { class: "hint" }, "Looking for it among the real rows…"));
    const section = h("section", { class: "nearest", "aria-label": "Nearest real training row" }, h("h3", {}, "Nearest real training row", known !== null && known !== undefined ? h("small", {}, ` at distance ${number(known)}`) : null), place);
    if (!whole.nearest.url) {
      replace(place, h("p", { class: "hint" }, "Make a run of this recipe to see it."));
      return section;
    }
    wait(whole.nearest.url, () => place.isConnected).then(
      (found) => {
        replace(section.firstChild, "Nearest real training row", h("small", {}, ` at distance ${number(found.distance)}`));
        replace(place, this.view.tile(found.row, this.state, true, found.cut), h("p", { class: "caption" }, `training row ${found.index}`, found.label === null ? null : [" · ", h("bdi", {}, found.label)]));
      },
      (error) => replace(place, h("p", { class: "hint" }, error.message)),
    );
    return section;
  }
}

function scoreTable(scores, spreads) {
  const names = Object.keys(scores ?? {});
  if (!names.length) return null;
  return h("table", { class: "scores" }, h("caption", {}, "Gate scores"), h("tbody", {}, names.map((name) => {
    const spread = spreads.find((one) => one.name === name);
    return h("tr", {}, h("th", { scope: "row" }, name.replaceAll("_", " ")), h("td", { class: "n" }, number(scores[name])), h("td", {}, spread && scores[name] !== null ? position(scores[name], spread) : null));
  })));
}

// Where a score lies between the least and the largest of the run.
function position(value, { low, high }) {
  const bar = h("span", { class: "place", role: "img", "aria-label": `between ${number(low)} and ${number(high)} of the run` }, h("i", {}));
  bar.firstChild.style.left = `${high > low ? (100 * (value - low)) / (high - low) : 50}%`;
  return bar;
}

function objects(row, state) {
  const names = state.names("objects", "class");
  if (!Array.isArray(row.row.objects) || !names.length) return null;
  const counts = new Map();
  for (const one of row.row.objects) counts.set(one.class, (counts.get(one.class) ?? 0) + 1);
  const told = [...counts].sort((a, b) => a[0] - b[0]).map(([number, count]) => `${count} × ${names[number] ?? number}`);
  return h("p", { class: "hint" }, `Objects: ${told.join(", ") || "none"}`);
}

function remake(whole) {
  const code = h("code", {}, whole.command);
  const button = h("button", { type: "button", class: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(whole.command);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard without https: the text is ready to be copied
    }
  });
  return h("div", { class: "remake" }, h("p", {}, "Seed ", h("b", {}, String(whole.seed)), ", candidate ", h("b", {}, String(whole.index)), ". To make this row again:"), h("p", { class: "command" }, code, button));
}
