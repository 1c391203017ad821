// Generated texts as a person reads them: characters that would hide or reorder what stands around them are named.

import { h } from "./dom.js";

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u180e\u200b\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udcff]/g;

const name = (found) => [...found].map((c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`).join("");

function visible(text) {
  const parts = [];
  let place = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > place) parts.push(text.slice(place, found.index));
    parts.push(h("span", { class: "escape" }, name(found[0])));
    place = found.index + found[0].length;
  }
  if (place < text.length) parts.push(text.slice(place));
  return parts;
}

// {text, before, after} of a text, which the service may have cut.
export function excerpt(value) {
  if (value && typeof value === "object") return value;
  return { text: String(value ?? ""), before: 0, after: 0 };
}

const missing = (count, where) => h("span", { class: "cut" }, where === "before" ? `[${count} characters] … ` : ` … [${count} more characters]`);

// A text with marked spans [[start, end, label?], …], in characters (code points, as Python counts them).
export function words(value, spans = [], { language, around } = {}) {
  const cut = excerpt(value);
  let characters = Array.from(cut.text);
  let { before, after } = cut;
  let marks = spans.map(([start, end, label]) => [start - before, end - before, label]);
  if (around && characters.length > around) {
    const first = marks.length ? Math.max(0, Math.min(marks[0][0] - Math.floor(around / 2), characters.length - around)) : 0;
    after += Math.max(0, characters.length - first - around);
    before += first;
    characters = characters.slice(first, first + around);
    marks = marks.map(([start, end, label]) => [start - first, end - first, label]);
  }
  const box = h("bdi", { dir: "auto", lang: language, class: "words" });
  if (before) box.append(missing(before, "before"));
  let place = 0;
  const part = (start, end) => visible(characters.slice(start, end).join(""));
  for (const [start, end, label] of marks.sort((a, b) => a[0] - b[0])) {
    if (end <= place || start >= characters.length) continue;
    box.append(...part(place, Math.max(start, place)));
    const mark = h("mark", { title: label }, part(Math.max(start, place), end));
    if (label) mark.append(h("small", { class: "slot" }, ...visible(label)));
    box.append(mark);
    place = end;
  }
  box.append(...part(place, characters.length));
  if (!characters.length) box.append(h("span", { class: "cut" }, "empty"));
  if (after) box.append(missing(after, "after"));
  return box;
}
