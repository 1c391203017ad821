// Which view shows a row, chosen by its columns: what a task is called does not matter.
//
// A view is {controls(state), tile(row, state, large)}; `state` is what its controls change, an EventTarget that says
// "change", and `large` is true in the dialog.

import { chat } from "./chat.js";
import { fields } from "./fields.js";
import { masked, picture } from "./pictures.js";
import { pair } from "./pair.js";
import { points } from "./points.js";
import { question } from "./question.js";
import { series } from "./series.js";

const has = (row, ...names) => names.every((name) => row[name] !== undefined && row[name] !== null);
const isPicture = (value) => Boolean(value && (value.url || value.png));

export function chooseView(row) {
  if (has(row, "image", "mask") && isPicture(row.image) && isPicture(row.mask)) return masked;
  if (has(row, "image") && isPicture(row.image)) return picture;
  if (has(row, "series")) return series;
  if (has(row, "points")) return points;
  if (has(row, "question", "context")) return question;
  if (has(row, "translation")) return pair;
  if (has(row, "messages")) return chat;
  return fields;
}

export class State extends EventTarget {
  constructor(features) {
    super();
    this.features = features ?? {};
    this.values = {};
  }

  get(name, otherwise) {
    return this.values[name] ?? otherwise;
  }

  set(name, value) {
    this.values[name] = value;
    this.dispatchEvent(new Event("change"));
  }

  // Calls `draw` now and after every change, for as long as `node` is on the page.
  follow(node, draw) {
    const again = () => {
      if (node.isConnected) draw();
      else this.removeEventListener("change", again);
    };
    draw();
    queueMicrotask(() => this.addEventListener("change", again));
  }

  names(column, inner) {
    const feature = inner ? this.features[column]?.fields?.[inner] : this.features[column];
    return feature?.names ?? [];
  }
}
