// A form made from a JSON schema, and what was filled in as the request wants it.
//
// What is left empty is not sent: the recipe's own value stands.

import { h, newId } from "./dom.js";

function resolve(schema, root) {
  let found = schema;
  for (let depth = 0; depth < 8; depth++) {
    if (found.$ref) found = { ...root.$defs?.[found.$ref.split("/").at(-1)], ...found, $ref: undefined };
    else if (found.allOf?.length === 1) found = { ...found, ...found.allOf[0], allOf: undefined };
    else break;
  }
  return found;
}

// The kinds of value that a field takes, without null.
function choices(schema, root) {
  const found = resolve(schema, root);
  const options = found.anyOf ?? found.oneOf;
  return (options ? options.map((one) => resolve(one, root)) : [found]).filter((one) => one.type !== "null");
}

const isMix = (one) => one.type === "object" && one.additionalProperties && one.additionalProperties !== true && !one.properties;
const words = (one) => one.enum ?? (one.const !== undefined ? [one.const] : null);
const title = (path) => path.at(-1).replaceAll("_", " ");

// [{path: ["conditions", "balance"], schema}]
function leaves(schema, root, path = []) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const found = resolve(inner, root);
    const here = [...path, name];
    return found.properties && !found.anyOf ? leaves(found, root, here) : [{ path: here, schema: found }];
  });
}

function put(target, path, value) {
  const last = path.length - 1;
  path.forEach((name, k) => {
    if (k === last) target[name] = value;
    else target = target[name] ??= {};
  });
}

// {node, read(): {conditions: {balance: …}}, readDotted(): {"conditions.balance": …}}
export function makeForm(schema, classes) {
  const root = schema ?? {};
  const controls = leaves(root, root).map((leaf) => ({ ...leaf, ...control(leaf, root, classes) }));
  const read = () => {
    const found = {};
    for (const one of controls) {
      const value = one.read();
      if (value !== undefined) put(found, one.path, value);
    }
    return found;
  };
  const readDotted = () => Object.fromEntries(Object.entries(read()).flatMap(([stage, fields]) => Object.entries(fields).map(([name, value]) => [`${stage}.${name}`, value])));
  return { node: controls.map((one) => one.node), read, readDotted };
}

function control({ path, schema }, root, classes) {
  const kinds = choices(schema, root);
  const named = kinds.flatMap((one) => words(one) ?? []);
  const mix = kinds.find(isMix);
  if (mix && path.at(-1) === "balance" && classes?.length) return classMix(schema, named, classes);
  if (kinds.length === 1 && kinds[0].type === "boolean") return select(path, schema, [["true", true, "yes"], ["false", false, "no"]]);
  if (named.length && kinds.every((one) => words(one))) return select(path, schema, named.map((word) => [String(word), word, String(word)]));
  const plain = kinds.find((one) => one.type === "integer" || one.type === "number");
  if (plain && kinds.length === 1) return numeric(path, schema, plain);
  return written(path, schema, kinds);
}

function labelled(name, hint, id, input) {
  const help = hint ? h("small", { id: `${id}-help` }, hint) : null;
  if (help) input.setAttribute("aria-describedby", help.id);
  return h("div", { class: "field" }, h("label", { for: id }, name), input, help);
}

const standard = (schema) => (schema.default === undefined || schema.default === null ? "as in the recipe" : `as in the recipe (${typeof schema.default === "object" ? JSON.stringify(schema.default) : schema.default})`);

function select(path, schema, options) {
  const id = newId();
  const input = h("select", { id, name: path.join(".") }, h("option", { value: "" }, standard(schema)), options.map(([value, , shown]) => h("option", { value }, shown)));
  return { node: labelled(title(path), schema.description, id, input), read: () => options.find(([value]) => value === input.value)?.[1] };
}

function numeric(path, schema, kind) {
  const id = newId();
  const low = kind.minimum ?? (kind.exclusiveMinimum !== undefined ? kind.exclusiveMinimum : undefined);
  const high = kind.maximum ?? kind.exclusiveMaximum;
  const input = h("input", { id, name: path.join("."), type: "number", min: low, max: high, step: kind.type === "integer" ? "1" : "any", placeholder: standard(schema), inputmode: kind.type === "integer" ? "numeric" : "decimal" });
  return { node: labelled(title(path), schema.description, id, input), read: () => (input.value === "" ? undefined : Number(input.value)) };
}

// Texts, lists and what has no control of its own: JSON, or a word as it is.
function written(path, schema, kinds) {
  const id = newId();
  const input = h("input", { id, name: path.join("."), type: "text", placeholder: standard(schema), autocomplete: "off", spellcheck: false });
  const isText = kinds.every((one) => one.type === "string");
  const read = () => {
    const text = input.value.trim();
    if (!text) return undefined;
    if (isText) return text;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  return { node: labelled(title(path), schema.description, id, input), read };
}

function classMix(schema, named, classes) {
  const id = newId();
  const choice = h("select", { id, name: "conditions.balance" }, h("option", { value: "" }, standard(schema)), named.map((word) => h("option", { value: word }, word)), h("option", { value: "weights" }, "my own mix"));
  const weights = classes.map((name) => {
    const own = newId();
    const input = h("input", { id: own, type: "number", min: 0, max: 1e9, step: "any", value: "1", "data-class": name });
    return { name, input, node: h("div", {}, h("label", { for: own }, h("bdi", {}, name)), input) };
  });
  const box = h("fieldset", { class: "mix", hidden: true }, h("legend", {}, "Weight of each class"), weights.map((one) => one.node));
  choice.addEventListener("change", () => {
    box.hidden = choice.value !== "weights";
  });
  const node = h("div", {}, labelled("class mix", "Which classes to draw, and how often.", id, choice), box);
  const read = () => {
    if (choice.value !== "weights") return choice.value || undefined;
    return Object.fromEntries(weights.map(({ name, input }) => [name, Number(input.value || 0)]).filter(([, weight]) => weight > 0));
  };
  return { node, read };
}
