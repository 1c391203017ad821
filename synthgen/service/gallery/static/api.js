// Requests to the service this page came from. The key, if it wants one, lives in this tab alone.

import { h } from "./dom.js";

const PLACE = "synthgen-key";
let asking = null;

export const hasKey = () => sessionStorage.getItem(PLACE) !== null;

export function forgetKey() {
  sessionStorage.removeItem(PLACE);
  document.getElementById("forget").hidden = true;
}

function askForKey() {
  asking ??= new Promise((resolve, reject) => {
    const dialog = document.getElementById("key");
    const field = document.getElementById("key-value");
    dialog.addEventListener("close", () => {
      asking = null;
      const given = field.value.trim();
      field.value = "";
      if (!given) return reject(new Error("This service asks for a key; reload the page to give one."));
      sessionStorage.setItem(PLACE, given);
      document.getElementById("forget").hidden = false;
      resolve();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  });
  return asking;
}

// What a service says of a mistake, as one sentence.
async function explain(response) {
  try {
    const told = await response.json();
    if (typeof told.detail === "string") return told.detail;
    if (Array.isArray(told.detail)) return told.detail.map((one) => `${one.loc?.slice(1).join(".")}: ${one.msg}`).join("; ");
    if (told.title) return told.title;
  } catch {
    // no JSON: the status says it
  }
  return `the service answered ${response.status} ${response.statusText}`;
}

export async function ask(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(PLACE);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.status === 401) {
      await response.text();
      if (sessionStorage.getItem(PLACE) === key) forgetKey();
      await askForKey();
      continue;
    }
    if (!response.ok) {
      const later = response.headers.get("Retry-After");
      const told = (await explain(response)) + (later ? ` (try again in ${later} s)` : "");
      throw Object.assign(new Error(told), { status: response.status });
    }
    return response;
  }
}

export const get = async (path, signal) => (await ask(path, { signal })).json();

// The same, asked again for as long as the service has accepted to find it out and somebody wants to know.
export async function wait(path, isWanted) {
  for (;;) {
    const response = await ask(path);
    if (response.status !== 202) return response.json();
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("Retry-After") ?? 1)));
    if (!isWanted()) throw new Error("no longer wanted");
  }
}

export async function send(path, body, { method = "POST", headers = {}, signal } = {}) {
  return ask(path, {
    method, signal, headers: { ...headers, ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
}

// Lines of JSON as they arrive.
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n");
    rest = done ? "" : parts.pop();
    for (const part of parts) if (part.trim()) yield JSON.parse(part);
    if (done) return;
  }
}

const MOST = 400; // pictures whose blobs are kept
const blobs = new Map(); // address -> promise of a blob; a Map remembers the order

export function blob(source) {
  const own = source.png ?? source.ply;
  if (own) return Promise.resolve(new Blob([Uint8Array.from(atob(own), (c) => c.charCodeAt(0))], { type: source.png ? "image/png" : "" }));
  if (!blobs.has(source.url)) {
    const found = ask(source.url).then((response) => response.blob());
    found.catch(() => blobs.delete(source.url));
    blobs.set(source.url, found);
    if (blobs.size > MOST) blobs.delete(blobs.keys().next().value);
  }
  return blobs.get(source.url);
}

// An <img> of a picture; with a key its bytes are fetched, since an <img> cannot send one.
export function image(source, alt) {
  const node = h("img", { alt, decoding: "async" });
  node.addEventListener("load", () => node.classList.toggle("crisp", Math.max(node.naturalWidth, node.naturalHeight) <= 96));
  if (source.png) node.src = `data:image/png;base64,${source.png}`;
  else if (!hasKey()) {
    node.loading = "lazy";
    node.src = source.url;
  } else {
    blob(source).then((found) => {
      node.src = URL.createObjectURL(found);
      node.addEventListener("load", () => URL.revokeObjectURL(node.src), { once: true });
    }, () => { node.alt = `${alt} (could not be loaded)`; });
  }
  return node;
}
