// Rows as tiles that a person walks through with the arrow keys and opens with Enter.

import { h } from "./dom.js";

export function describe(row) {
  const parts = [`row ${row.index}`];
  if (row.label !== null && row.label !== undefined) parts.push(String(row.label));
  if (row.gate) parts.push(`rejected: ${row.gate}`);
  return parts.join(", ");
}

export class Grid {
  constructor(view, state, open) {
    Object.assign(this, { view, state, open });
    this.node = h("ul", { class: `grid ${view.wide ? "wide" : ""}`, "aria-label": "Rows" });
    this.node.addEventListener("keydown", (event) => this.walk(event));
    this.node.addEventListener("focusin", (event) => {
      if (event.target.matches("button.open")) this.mark(event.target);
    });
  }

  buttons() {
    return [...this.node.querySelectorAll("button.open")];
  }

  add(row) {
    const button = h("button", { type: "button", class: "open", "aria-label": `Open ${describe(row)}`, "data-row": row.index, tabindex: this.node.childElementCount ? "-1" : "0" });
    button.addEventListener("click", () => this.open(row, button));
    const caption = h("p", { class: "caption" },
      h("span", { class: "number" }, `${row.index}`),
      row.label === null || row.label === undefined ? null : h("bdi", { class: "label" }, row.label),
      row.gate ? h("span", { class: "badge miss", title: row.reason }, row.gate) : null,
    );
    this.node.append(h("li", { class: "tile" }, this.view.tile(row.row, this.state, false, row.cut), caption, button));
  }

  mark(button) {
    for (const one of this.buttons()) one.tabIndex = one === button ? 0 : -1;
  }

  focus(index) {
    const found = this.buttons().find((one) => one.dataset.row === String(index)) ?? this.buttons()[0];
    if (found) {
      this.mark(found);
      found.focus();
    }
  }

  columns(buttons) {
    const top = buttons[0].getBoundingClientRect().top;
    const next = buttons.findIndex((one) => one.getBoundingClientRect().top > top + 1);
    return next < 0 ? buttons.length : next;
  }

  walk(event) {
    const buttons = this.buttons();
    const place = buttons.indexOf(document.activeElement);
    if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const wide = this.columns(buttons);
    const moves = { ArrowLeft: place - 1, ArrowRight: place + 1, ArrowUp: place - wide, ArrowDown: place + wide, Home: 0, End: buttons.length - 1 };
    const next = moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (buttons[next]) {
      this.mark(buttons[next]);
      buttons[next].focus();
    }
  }
}
