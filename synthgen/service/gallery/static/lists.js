// The recipes that this service has, and the runs that are finished.

import { get } from "./api.js";
import { h, plural, replace } from "./dom.js";
import { quality } from "./quality.js";

export const runLink = (id) => `#/run/${encodeURIComponent(id)}`;
export const recipeLink = (name) => `#/recipe/${encodeURIComponent(name)}`;
export const listOf = (answer, name) => (Array.isArray(answer) ? answer : (answer[name] ?? answer.items ?? []));

function rowsOf(run) {
  const { kept, rejected } = run.rows ?? {};
  return [plural(kept ?? 0, "row"), rejected ? `, ${plural(rejected, "rejected", "rejected")}` : ""];
}

export async function showRecipes(main, place, signal) {
  const [recipes, runs] = await Promise.all([get("/v1/recipes", signal), get("/v1/runs", signal)]);
  const finished = new Map(listOf(runs, "runs").map((run) => [run.id, run]));
  const cards = listOf(recipes, "recipes").map((recipe) => {
    const run = finished.get(`recipe:${recipe.name}`);
    return h("li", { class: "card" },
      h("p", { class: "kicker" }, recipe.task),
      h("h2", {}, h("a", { href: recipeLink(recipe.name) }, recipe.name)),
      recipe.description ? h("p", {}, recipe.description) : null,
      quality(recipe.quality ?? run?.quality),
      h("p", { class: "actions" },
        h("a", { class: "button primary", href: recipeLink(recipe.name), "aria-label": `Make rows of ${recipe.name}` }, "Make rows"),
        run ? h("a", { class: "button", href: runLink(run.id), "aria-label": `Browse the run of ${recipe.name}` }, "Browse the run") : null),
      run ? h("p", { class: "hint" }, rowsOf(run)) : null);
  });
  replace(main, h("h1", { tabindex: "-1" }, "Recipes"),
    cards.length ? h("ul", { class: "cards" }, cards) : h("p", { class: "empty" }, "This service has no recipes; start it with synthgen serve RECIPE."));
}

export async function showRuns(main, place, signal) {
  const runs = listOf(await get("/v1/runs", signal), "runs");
  const cards = runs.map((run) => h("li", { class: "card" },
    h("p", { class: "kicker" }, run.task),
    h("h2", {}, h("a", { href: runLink(run.id) }, run.name)),
    run.id.startsWith("job:") ? h("p", { class: "hint" }, `job ${run.id.slice(4, 12)}`) : null,
    quality(run.quality),
    h("p", { class: "hint" }, rowsOf(run))));
  replace(main, h("h1", { tabindex: "-1" }, "Finished runs"),
    cards.length ? h("ul", { class: "cards" }, cards) : h("p", { class: "empty" }, "No run is finished yet. ", h("a", { href: "#/" }, "Start one from a recipe.")));
}
