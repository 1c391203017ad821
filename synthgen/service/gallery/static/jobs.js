// The caller's jobs: what each is doing, and a button to stop it.

import { get, send } from "./api.js";
import { duration, h, number, plural, replace, warn } from "./dom.js";
import { listOf, recipeLink, runLink } from "./lists.js";

const EVERY = 2000; // milliseconds between looks, while something is going on
const LAZY = 10_000;
const ACTIVE = ["queued", "running"];
const SAY = { queued: "waiting", running: "running", done: "done", failed: "failed", cancelled: "cancelled" };
const TONE = { done: "good", failed: "miss", cancelled: "note" };

export async function showJobs(main, place, signal) {
  const list = h("ul", { class: "jobs" });
  const status = h("p", { class: "sr", role: "status" });
  const more = h("button", { type: "button", hidden: true }, "Older jobs");
  const empty = h("p", { class: "empty", hidden: true }, "No jobs yet. ", h("a", { href: "#/" }, "Start one from a recipe."));
  const items = new Map();
  let cursor = null;

  function put(jobs, atEnd) {
    for (const job of jobs) {
      const known = items.get(job.id);
      if (known) known.update(job);
      else {
        const item = new JobItem(job, status);
        items.set(job.id, item);
        if (atEnd) list.append(item.node);
        else list.prepend(item.node);
      }
    }
    empty.hidden = items.size > 0;
  }

  async function look() {
    const answer = await get("/v1/jobs?limit=20", signal);
    const jobs = listOf(answer, "jobs");
    const isFirst = !items.size;
    put(isFirst ? jobs : jobs.toReversed(), isFirst);
    const shown = new Set(jobs.map((job) => job.id));
    const older = [...items.values()].filter((item) => ACTIVE.includes(item.job.state) && !shown.has(item.job.id));
    for (const item of older) item.update(await get(`/v1/jobs/${item.job.id}`, signal));
    if (isFirst) {
      cursor = answer.after ?? null;
      more.hidden = !cursor;
    }
  }

  more.addEventListener("click", async () => {
    const answer = await get(`/v1/jobs?limit=20&after=${encodeURIComponent(cursor)}`, signal);
    put(listOf(answer, "jobs"), true);
    cursor = answer.after ?? null;
    more.hidden = !cursor;
  });
  try {
    await look();
  } catch (error) {
    if (error.status !== 404) throw error;
    throw new Error("This service makes rows on request and has no jobs.");
  }
  replace(main, h("h1", { tabindex: "-1" }, "Jobs"), status, empty, list, more);
  watch(look, () => [...items.values()].some((item) => ACTIVE.includes(item.job.state)), signal);
}

function watch(look, isBusy, signal) {
  const again = async () => {
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        try {
    await look();
  } catch (error) {
    if (error.status !== 404) throw error;
    throw new Error("This service makes rows on request and has no jobs.");
  }
      } catch (error) {
        if (error.name !== "AbortError") warn(`Jobs could not be read: ${error.message}`);
      }
    }
    if (!signal.aborted) setTimeout(again, isBusy() ? EVERY : LAZY);
  };
  setTimeout(again, isBusy() ? EVERY : LAZY);
}

class JobItem {
  constructor(job, status) {
    this.status = status;
    this.title = h("h2", {}, h("a", { href: recipeLink(job.recipe) }, job.recipe));
    this.badge = h("span", { class: "badge" });
    this.said = h("p", { class: "hint" });
    this.bar = h("progress", { max: "1", "aria-label": `Progress of ${job.recipe}` });
    this.links = h("p", { class: "actions" });
    this.node = h("li", { class: "card job", "data-job": job.id }, h("div", { class: "head" }, this.title, this.badge), this.said, this.bar, this.links);
    this.update(job, true);
  }

  update(job, isNew) {
    if (!isNew && job.state !== this.job.state) this.status.textContent = `Job ${job.recipe}: ${SAY[job.state] ?? job.state}`;
    const before = this.job;
    this.job = job;
    const active = ACTIVE.includes(job.state);
    this.badge.textContent = job.cancel_requested && active ? "stopping" : (SAY[job.state] ?? job.state);
    this.badge.className = `badge ${TONE[job.state] ?? ""}`;
    this.bar.hidden = !active;
    if (active && job.total) this.bar.value = Math.min(1, job.done / job.total);
    else this.bar.removeAttribute("value");
    const asked = [plural(job.count, "row"), job.seed === null || job.seed === undefined ? null : `seed ${job.seed}`];
    const now = active && job.stage ? [job.stage, job.total ? `${number(Math.round(job.done))} of ${number(Math.round(job.total))}` : null] : [];
    const left = active && job.eta_seconds ? `about ${duration(job.eta_seconds)} left` : null;
    this.said.textContent = [...asked, ...now, left, job.message].filter(Boolean).join(" · ");
    if (before && before.state === job.state && before.cancel_requested === job.cancel_requested) return; // keep the focus
    replace(this.links,
      job.state === "done" ? h("a", { class: "button primary", href: runLink(`job:${job.id}`) }, "Browse its rows") : null,
      active && !job.cancel_requested ? h("button", { type: "button", class: "cancel", "aria-label": `Cancel the job ${job.recipe}`, onclick: () => this.cancel() }, "Cancel") : null);
  }

  async cancel() {
    const answer = await send(`/v1/jobs/${this.job.id}`, null, { method: "DELETE" });
    const text = await answer.text();
    this.update(text ? JSON.parse(text) : { ...this.job, cancel_requested: true });
    this.title.firstChild.focus();
  }
}
