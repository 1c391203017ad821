// Turns as bubbles, with the intent over each and its slots marked in it.

import { h, plural } from "../dom.js";
import { excerpt, words } from "../text.js";

const MOST = 4; // turns of a tile

// The first place of each value in the turn that no other slot has taken.
function findSlots(content, slots) {
  const text = excerpt(content).text;
  const taken = [];
  for (const { name, value } of slots) {
    if (!value) continue;
    let at = text.indexOf(value);
    while (at >= 0 && taken.some(([start, end]) => at < end && at + value.length > start)) at = text.indexOf(value, at + 1);
    if (at >= 0) taken.push([at, at + value.length, name]);
  }
  // marks are in characters, indexOf counts UTF-16 units
  const characters = (units) => Array.from(text.slice(0, units)).length;
  return taken.map(([start, end, name]) => [characters(start), characters(end), name]);
}

export const chat = {
  name: "chat",
  wide: true,
  controls: () => null,
  tile(row, state, large, cut) {
    const shown = large ? row.messages : row.messages.slice(0, MOST);
    const count = cut?.messages ?? row.messages.length;
    const turns = shown.map((message, turn) => {
      const slots = (row.slots ?? []).filter((slot) => slot.turn === turn);
      const intent = row.intents?.[turn];
      return h("li", { class: `turn ${message.role === "user" ? "mine" : "theirs"}` },
        h("p", { class: "speaker" }, words(message.role), intent ? [" · ", h("span", { class: "intent" }, words(intent))] : null),
        h("p", { class: "bubble" }, words(message.content, findSlots(message.content, slots), { around: large ? undefined : 200 })),
      );
    });
    const more = count - shown.length;
    if (more > 0) turns.push(h("li", { class: "cut" }, `… ${plural(more, "more turn")}`));
    return h("ol", { class: large ? "chat large" : "chat" }, turns);
  },
};
