// Any row, column by column: for what no other view knows.

import { image } from "../api.js";
import { h } from "../dom.js";
import { words } from "../text.js";
import { isNumbers, numbers } from "./numbers.js";

const MOST = 6; // columns of a tile
const FEW = 12; // numbers of an array that are shown

export const fields = {
  name: "fields",
  wide: true,
  controls: () => null,
  tile(row, state, large) {
    const names = Object.keys(row).slice(0, large ? undefined : MOST);
    return h("dl", { class: large ? "fields large" : "fields" },
      names.map((name) => h("div", {}, h("dt", {}, words(name)), h("dd", {}, show(row[name], state.features[name], large)))));
  },
};

export function show(value, feature, large) {
  if (value === null || value === undefined) return h("span", { class: "cut" }, "none");
  if (feature?.kind === "Image" || value.png) return image(value, "picture");
  if (feature?.kind === "Mesh") return h("span", { class: "cut" }, "mesh");
  if (isNumbers(value)) return array(value);
  if (feature?.names && Number.isInteger(value)) return words(feature.names[value] ?? value);
  if (typeof value === "string" || typeof value.text === "string") return words(value, [], { around: large ? undefined : 160 });
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  if (typeof value === "boolean") return String(value);
  return words(spell(value), [], { around: large ? undefined : 160 });
}

// Structs and lists on a line: "center: 0, 0, 0.61; yaw: 2.3".
function spell(value) {
  if (typeof value === "number") return String(Number(value.toPrecision(5)));
  if (Array.isArray(value)) return value.map(spell).join(value.some((one) => one && typeof one === "object") ? " | " : ", ");
  if (value && typeof value.text === "string" && "after" in value) return `${value.text}…`;
  if (value && typeof value === "object") return Object.entries(value).map(([name, inner]) => `${name}: ${spell(inner)}`).join("; ");
  return value === null ? "none" : String(value);
}

function array(value) {
  const { values, of } = numbers(value);
  const first = Array.from(values.subarray(0, FEW), (one) => Number(one.toPrecision(4))).join(", ");
  return h("span", {}, h("span", { class: "cut" }, `${of.join(" × ")} numbers: `), `${first}${values.length > FEW ? ", …" : ""}`);
}
