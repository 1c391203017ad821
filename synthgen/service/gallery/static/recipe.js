// A recipe: a form made from its schema, and rows that appear as they are made.

import { get, hasKey, lines, send } from "./api.js";
import { h, newId, number, plural, replace } from "./dom.js";
import { makeForm } from "./form.js";
import { Grid } from "./grid.js";
import { runLink } from "./lists.js";
import { quality } from "./quality.js";
import { RowDialog } from "./row.js";
import { chooseView, State } from "./views/index.js";

const FIRST = 16; // rows, unless the cap is lower

export async function showRecipe(main, { name }, signal) {
  const recipe = await get(`/v1/recipes/${encodeURIComponent(name)}`, signal);
  const facts = await get(`/v1/runs/${encodeURIComponent(`recipe:${name}`)}`, signal).catch(() => null);
  const page = new RecipePage(recipe, facts);
  replace(main, page.parts());
  signal.addEventListener("abort", () => page.stop());
}

class RecipePage {
  constructor(recipe, facts) {
    Object.assign(this, { recipe, facts, rows: [] });
    this.features = recipe.features ?? facts?.features;
    this.classes = recipe.classes ?? facts?.classes.map((one) => one.name);
    this.fields = makeForm(recipe.open, this.classes);
    this.status = h("p", { class: "status", role: "status" });
    this.error = h("p", { class: "refusal", role: "alert", hidden: true });
    this.place = h("div", { class: "place-of-rows" });
    this.controls = h("div", { class: "controls", role: "group", "aria-label": "How rows are shown", hidden: true });
    this.make = h("button", { type: "submit", class: "primary" }, "Make rows now");
    this.halt = h("button", { type: "button", hidden: true, onclick: () => this.stop() }, "Stop");
    this.start = h("button", { type: "button", onclick: () => this.startJob() }, "Start a job");
  }

  parts() {
    const { recipe } = this;
    const run = this.facts ? h("a", { class: "button", href: runLink(this.facts.id) }, "Browse the run") : null;
    return [
      h("p", { class: "kicker" }, recipe.task),
      h("h1", { tabindex: "-1" }, recipe.name),
      h("div", { class: "intro" }, h("div", {}, h("p", { class: "lead" }, recipe.description), h("p", { class: "actions" }, run)), quality(recipe.quality ?? this.facts?.quality)),
      h("div", { class: "studio" }, this.form(), h("section", { "aria-label": "Rows", class: "results" }, this.status, this.error, this.controls, this.place)),
    ];
  }

  form() {
    const cap = this.recipe.count_cap;
    const [count, seed] = [newId(), newId()];
    this.count = h("input", { id: count, name: "count", type: "number", min: 1, step: 1, required: true, value: String(Math.min(FIRST, cap ?? FIRST)), "aria-describedby": `${count}-help`, inputmode: "numeric" });
    this.seed = h("input", { id: seed, name: "seed", type: "number", min: 0, step: 1, placeholder: "any", "aria-describedby": `${seed}-help`, inputmode: "numeric" });
    const form = h("form", { class: "settings", "aria-label": "What to make" },
      h("div", { class: "field" }, h("label", { for: count }, "rows"), this.count, h("small", { id: `${count}-help` }, cap ? `At once up to ${number(cap)}; more as a job.` : "How many rows to make.")),
      h("div", { class: "field" }, h("label", { for: seed }, "seed"), this.seed, h("small", { id: `${seed}-help` }, "The same seed gives the same rows. Left empty, one is drawn; a job takes the recipe's.")),
      this.fields.node,
      h("p", { class: "actions" }, this.make, this.halt, this.start));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.generate();
    });
    this.settings = form;
    return form;
  }

  request() {
    const seed = this.seed.value === "" ? {} : { seed: Number(this.seed.value) };
    return { recipe: this.recipe.name, count: Number(this.count.value), ...seed };
  }

  fail(error) {
    if (error.name === "AbortError") return;
    this.error.textContent = error.message;
    this.error.hidden = false;
  }

  async startJob() {
    if (!this.settings.reportValidity()) return;
    this.error.hidden = true;
    const overrides = this.fields.readDotted();
    const body = { ...this.request(), ...(Object.keys(overrides).length ? { overrides } : {}) };
    this.start.disabled = true;
    try {
      await send("/v1/jobs", body, { headers: { "Idempotency-Key": newKey() } });
      location.hash = "#/jobs";
    } catch (error) {
      this.fail(error);
    } finally {
      this.start.disabled = false;
    }
  }

  stop() {
    this.going?.abort();
  }

  async generate() {
    const cap = this.recipe.count_cap;
    this.error.hidden = true;
    if (cap && Number(this.count.value) > cap) return this.fail(new Error(`rows: at most ${number(cap)} at once; ask for fewer, or start a job.`));
    this.stop();
    const going = new AbortController();
    this.going = going;
    this.busy(true);
    this.begin();
    const body = { ...this.request(), ...this.fields.read(), format: "json" };
    this.asked = body;
    this.ended = false;
    try {
      for await (const line of lines(await send("/v1/generate", body, { signal: going.signal }))) this.take(line);
      if (!this.ended) throw new Error(`The answer ended after ${plural(this.rows.length, "row")}, before all were there; try again.`);
    } catch (error) {
      if (going.signal.aborted) this.status.textContent = `Stopped after ${plural(this.rows.length, "row")}.`;
      else this.status.textContent = "";
      this.fail(error);
    } finally {
      if (this.going === going) this.busy(false);
    }
  }

  busy(is) {
    this.make.disabled = is;
    this.halt.hidden = !is;
    this.place.setAttribute("aria-busy", String(is));
    if (is) this.status.textContent = "Asking for rows…";
  }

  begin() {
    Object.assign(this, { rows: [], grid: null });
    replace(this.place);
    replace(this.controls);
    this.controls.hidden = true;
  }

  take(line) {
    if (line.error || (line.title && line.status)) throw new Error(line.detail ?? line.error ?? line.title);
    if (line.end) {
      this.ended = true;
      const rejected = Object.entries(line.rejected ?? {}).filter(([, count]) => count).map(([gate, count]) => `${number(count)} by ${gate}`);
      const told = rejected.length ? `; rejected: ${rejected.join(", ")}` : "";
      this.status.textContent = `${plural(line.rows, "row")} of ${plural(line.candidates ?? line.rows, "candidate")}${told}. Seed ${line.seed}.`;
      return;
    }
    const provenance = line.provenance ?? {};
    const label = typeof line.label === "number" ? (this.classes?.[line.label] ?? line.label) : line.label;
    const row = { index: line.index, row: line.row, label, gate: "", scores: provenance.scores ?? {}, seed: provenance.seed };
    if (!this.grid) this.open(row);
    this.rows.push(row);
    this.grid.add(row);
    this.status.textContent = `${number(this.rows.length)} of ${number(this.asked.count)} rows`;
  }

  open(row) {
    const view = chooseView(row.row);
    const state = new State(this.features);
    this.grid = new Grid(view, state, (one, button) => this.show(one, button));
    const controls = [view.controls(state, row.row)].flat().filter(Boolean);
    this.controls.hidden = !controls.length;
    replace(this.controls, controls);
    replace(this.place, this.grid.node);
  }

  show(row) {
    const { rows, grid } = this;
    let here = rows.indexOf(row);
    const load = (one) => async () => ({
      ...one,
      seed: one.seed ?? this.asked.seed ?? 0,
      nearest: { distance: one.scores.copy_distance ?? null },
      command: `curl -sX POST ${location.origin}/v1/generate${hasKey() ? ' -H "Authorization: Bearer $KEY"' : ""} -H "Content-Type: application/json" -d '${JSON.stringify(this.asked).replaceAll("'", "'\\''")}'`,
    });
    const dialog = new RowDialog(grid.view, grid.state, {
      scores: this.facts?.scores,
      step: (by) => {
        if (!rows[here + by]) return;
        here += by;
        dialog.open(rows[here], load(rows[here]));
      },
      closed: () => grid.focus(rows[here].index),
    });
    dialog.open(row, load(row));
  }
}

// Without https there is no crypto.randomUUID.
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
