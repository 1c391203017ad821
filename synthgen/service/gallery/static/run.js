// A finished run, 48 rows a page. What is shown stands in the address, so that a view can be kept and sent.

import { get } from "./api.js";
import { filters } from "./filters.js";
import { h, number, plural, replace } from "./dom.js";
import { Grid } from "./grid.js";
import { recipeLink, runLink } from "./lists.js";
import { quality } from "./quality.js";
import { RowDialog } from "./row.js";
import { chooseView, State } from "./views/index.js";

const LIMIT = 48;
export const FILTERS = ["label", "kept", "gate", "score", "at_least", "at_most"];

export async function showRun(main, { name, query }, signal) {
  const path = `/v1/runs/${encodeURIComponent(name)}`;
  // the first rows are asked for before it is known what they are
  const [facts, page] = await Promise.all([get(path, signal), get(`${path}/rows?${wanted(query)}`, signal)]);
  const shown = new RunPage(path, name, facts, signal);
  replace(main, shown.parts(query));
  shown.draw(page, query);
  if (query.has("row")) shown.openNumber(query.get("row"));
  return { update: (next) => shown.update(next) };
}

function wanted(query) {
  const asked = new URLSearchParams({ limit: String(LIMIT) });
  for (const name of [...FILTERS, "after", "before"]) if (query.has(name)) asked.set(name, query.get(name));
  return asked;
}

class RunPage {
  constructor(path, id, facts, signal) {
    Object.assign(this, { path, id, facts, signal, rows: [], asked: "" });
    this.state = new State(facts.features);
    this.status = h("p", { class: "status", role: "status" });
    this.controls = h("div", { class: "controls", role: "group", "aria-label": "How rows are shown", hidden: true });
    this.place = h("div", { class: "place-of-rows" });
    this.pager = h("nav", { class: "pager", "aria-label": "Pages" });
  }

  parts(query) {
    const { facts } = this;
    this.filters = filters(facts, query, (changed) => this.go(changed));
    const own = this.id.startsWith("recipe:") ? h("a", { class: "button", href: recipeLink(this.id.slice(7)) }, "Make more rows") : null;
    return [
      h("p", { class: "kicker" }, facts.task),
      h("h1", { tabindex: "-1" }, facts.name),
      h("div", { class: "intro" },
        h("div", {}, h("p", { class: "lead" }, facts.description), h("p", { class: "hint" }, `${plural(facts.rows.kept, "row")} kept, ${number(facts.rows.rejected)} rejected`, facts.origin?.name ? ` · real rows: ${facts.origin.name}` : ""), h("p", { class: "actions" }, own)),
        quality(facts.quality)),
      this.filters.node, this.status, this.controls, this.place, this.pager,
    ];
  }

  // Another filter or page: `changed` are entries of the address; null takes one out.
  go(changed) {
    const query = new URLSearchParams(this.query);
    for (const name of ["after", "before", "row"]) query.delete(name);
    for (const [name, value] of Object.entries(changed)) {
      if (value === null || value === "") query.delete(name);
      else query.set(name, value);
    }
    location.hash = this.address(query);
  }

  address(query) {
    const text = query.toString();
    return `${runLink(this.id)}${text ? `?${text}` : ""}`;
  }

  async update(query) {
    const asked = wanted(query).toString();
    if (asked !== this.asked) {
      this.filters.show(query);
      this.place.setAttribute("aria-busy", "true");
      try {
        this.draw(await get(`${this.path}/rows?${asked}`, this.signal), query);
      } finally {
        this.place.removeAttribute("aria-busy");
      }
      if (!document.activeElement || document.activeElement === document.body) this.status.scrollIntoView({ block: "nearest" });
    }
    this.query = query;
    if (!query.has("row")) this.dialog?.node.close();
    else if (this.dialog?.current !== Number(query.get("row"))) this.openNumber(query.get("row"));
  }

  draw(page, query) {
    Object.assign(this, { page, query, rows: page.rows, asked: wanted(query).toString() });
    const last = page.first + page.rows.length;
    this.status.textContent = page.total ? `Rows ${number(page.first + 1)} to ${number(last)} of ${number(page.total)}` : "No rows fit this filter.";
    if (page.rows.length) this.drawRows(page.rows);
    else replace(this.place);
    const step = (text, label, name, value) => (value === null ? h("span", { class: "button off", "aria-hidden": "true" }, text) : h("a", { class: "button", "aria-label": label, href: this.address(this.moved(name, value)) }, text));
    replace(this.pager, page.total > page.rows.length ? [step("‹ Previous", "Previous page", "before", page.previous), step("Next ›", "Next page", "after", page.next)] : []);
  }

  moved(name, value) {
    const query = new URLSearchParams(this.query);
    for (const old of ["after", "before", "row"]) query.delete(old);
    query.set(name, value);
    return query;
  }

  drawRows(rows) {
    const view = chooseView(rows[0].row);
    view.prepare?.(rows.map((row) => row.row), this.state);
    if (this.view !== view) {
      this.view = view;
      const controls = [view.controls(this.state, rows[0].row)].flat().filter(Boolean);
      this.controls.hidden = !controls.length;
      replace(this.controls, controls);
    }
    this.grid = new Grid(view, this.state, (row) => this.openNumber(row.index, row));
    for (const row of rows) this.grid.add(row);
    replace(this.place, this.grid.node);
  }

  openNumber(index, known) {
    const brief = known ?? this.rows.find((row) => row.index === Number(index));
    this.dialog ??= new RowDialog(this.view ?? chooseView({}), this.state, { scores: this.facts.scores, step: (by) => this.step(by), closed: () => this.closed() });
    this.remember(index);
    const load = () => get(`${this.path}/rows/${encodeURIComponent(index)}`, this.signal);
    this.dialog.open(brief ?? { index: Number(index), row: {}, label: null, gate: "", scores: {} }, load);
  }

  step(by) {
    const place = this.rows.findIndex((row) => row.index === this.dialog.current);
    const next = this.rows[place + by];
    if (place >= 0 && next) this.openNumber(next.index, next);
  }

  // Opening a row is no step back in the browser's history.
  remember(index) {
    const query = new URLSearchParams(this.query);
    if (index === null) query.delete("row");
    else query.set("row", index);
    this.query = query;
    history.replaceState(null, "", this.address(query));
  }

  closed() {
    const { current } = this.dialog;
    this.dialog = null;
    if (this.signal.aborted) return;
    this.remember(null);
    this.grid?.focus(current);
  }
}
