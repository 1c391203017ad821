// A text and its translation, side by side, each in its language.

import { h } from "../dom.js";
import { words } from "../text.js";

export const pair = {
  name: "pair",
  wide: true,
  controls: () => null,
  tile(row, state, large) {
    const first = state.names("written_first")[row.written_first];
    return h("dl", { class: large ? "pair large" : "pair" },
      Object.entries(row.translation).map(([language, text]) =>
        h("div", {},
          h("dt", {}, language, large && language === first ? h("small", {}, " written first") : null),
          h("dd", {}, words(text, [], { language, around: large ? undefined : 240 })))));
  },
};
