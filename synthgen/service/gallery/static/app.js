// Which page is shown: the part of the address after # says it, so that every page can be linked to.
//
//   #/   #/jobs   #/runs   #/recipe/<name>   #/run/<id>?label=…&after=…&row=…

import { forgetKey, hasKey } from "./api.js";
import { clearWarning, h, replace, warn } from "./dom.js";
import { showJobs } from "./jobs.js";
import { showRecipe } from "./recipe.js";
import { showRecipes, showRuns } from "./lists.js";
import { showRun } from "./run.js";

const main = document.getElementById("main");
const PAGES = { "": showRecipes, jobs: showJobs, runs: showRuns, recipe: showRecipe, run: showRun };
let leave = new AbortController();
let shown = null;
let first = true;

export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  return { page, name: rest.map(decodeURIComponent).join("/"), query: new URLSearchParams(query) };
}

// A page is a function (main, {name, query}, signal); it may give {update(query)} for changes of its query alone.
async function go() {
  const { page, name, query } = parse(location.hash);
  const place = `${page}/${name}`;
  if (shown?.place === place && shown.update) return shown.update(query);
  leave.abort();
  document.querySelector("dialog.row[open]")?.close();
  leave = new AbortController();
  const { signal } = leave;
  clearWarning();
  const open = PAGES[page];
  for (const link of document.querySelectorAll("header nav a")) {
    const own = link.hash.replace(/^#\/?/, "");
    const current = own === page || (own === "" && page === "recipe") || (own === "runs" && page === "run");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown = { place };
  replace(main, h("p", { class: "empty" }, "Loading…"));
  try {
    if (!open) throw new Error("There is no such page.");
    const found = await open(main, { name, query }, signal);
    if (!signal.aborted) shown = { place, ...found };
  } catch (error) {
    if (signal.aborted) return;
    replace(main, h("h1", { tabindex: "-1" }, "Something is missing"), h("p", {}, error.message), h("p", {}, h("a", { href: "#/" }, "All recipes")));
  }
  const title = main.querySelector("h1");
  document.title = title ? `${title.textContent} · synthgen` : "synthgen";
  if (!first) title?.focus(); // whoever hears the page is told that it is another one
  first = false;
  if (!first) scrollTo(0, 0);
}

addEventListener("hashchange", go);
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name !== "AbortError") warn(event.reason?.message ?? "Something went wrong.");
});
const forget = document.getElementById("forget");
forget.hidden = !hasKey();
forget.addEventListener("click", () => {
  forgetKey();
  location.reload();
});
go();
