// A question, its answer, and the passage with the answer marked where it stands.

import { h } from "../dom.js";
import { words } from "../text.js";

const AROUND = 320; // characters of the passage in a tile

export const question = {
  name: "question",
  wide: true,
  controls: () => null,
  tile(row, state, large) {
    const answers = row.answers ?? { text: [], answer_start: [] };
    const starts = answers.answer_start ?? [];
    const spans = starts.map((start, k) => [start, start + Array.from(answers.text[k] ?? "").length]);
    return h("div", { class: large ? "qa large" : "qa" },
      h("p", { class: "asked" }, words(row.question)),
      h("p", { class: "answer" }, starts.length ? words(answers.text[0]) : h("em", {}, "the passage does not tell")),
      h("p", { class: "passage" }, words(row.context, spans, { around: large ? undefined : AROUND })),
    );
  },
};
