// Series as lines, a band a channel, with their events shaded.

import { classColour, css, lineClass } from "../colours.js";
import { h, number, svg } from "../dom.js";
import { toggles } from "./controls.js";
import { numbers } from "./numbers.js";

const SIZE = { small: [240, 150], large: [760, 420], phone: [400, 340] };
const NARROW = matchMedia("(max-width: 800px)");
const LEFT = 46; // of the large plot, for its scale
const BELOW = 26;
const GAP = 4;
const MOST = 6; // channels of a tile
const EVENT_COLOURS = [0, 1, 3, 2, 6, 5]; // of the classes', those that stand out as tints

const eventColour = (kind) => css(classColour(kind < EVENT_COLOURS.length ? EVENT_COLOURS[kind] : kind + 2));
const channelName = (channel) => `channel ${channel + 1}`;

// The range of each channel, the same in every tile: 96 % of the first rows that were seen.
function ranges(state, series) {
  const seen = state.get("seen", []);
  if (seen.length < 48 && !seen.includes(series)) {
    seen.push(series);
    state.values.seen = seen;
    state.values.ranges = null;
  }
  state.values.ranges ??= Array.from({ length: series.shape[0] }, (_, channel) => {
    const found = seen.flatMap(({ values, shape }) => (channel < shape[0] ? Array.from(values.subarray(channel * shape[1], (channel + 1) * shape[1])) : []));
    found.sort((a, b) => a - b);
    const low = found[Math.floor(0.02 * (found.length - 1))] ?? 0;
    const high = found[Math.ceil(0.98 * (found.length - 1))] ?? 1;
    return high > low ? [low, high] : [low - 1, high + 1];
  });
  return state.values.ranges;
}

export const series = {
  name: "series",
  // The rows that share a scale are told before the first is drawn.
  prepare(rows, state) {
    for (const row of rows) ranges(state, parsed(row));
  },
  controls(state, row) {
    const channels = row ? (row.series.of ?? parsed(row).of)[0] : 0;
    const entries = Array.from({ length: Math.min(channels, 32) }, (_, k) => ({ number: k, name: channelName(k), tone: lineClass(k) }));
    const kinds = state.names("events", "kind").map((name, k) => ({ number: k, name, colour: eventColour(k) }));
    return [
      entries.length > 1 ? toggles("Channels", state, "off", entries) : null,
      kinds.length && !(kinds.length === 1 && kinds[0].name === "none") ? toggles("Events", state, "quiet", kinds) : null,
    ];
  },
  tile(row, state, large) {
    const box = h("div", { class: large ? "plot large" : "plot" });
    const found = parsed(row);
    state.follow(box, () => box.replaceChildren(plot(row, found, state, large)));
    return box;
  },
};

const kept = new WeakMap();
function parsed(row) {
  if (!kept.has(row)) kept.set(row, numbers(row.series));
  return kept.get(row);
}

function plot(row, found, state, large) {
  const [width, height] = large ? (NARROW.matches ? SIZE.phone : SIZE.large) : SIZE.small;
  const spans = ranges(state, found);
  const off = state.get("off", new Set());
  const channels = Array.from({ length: found.shape[0] }, (_, k) => k).filter((k) => !off.has(k)).slice(0, large ? 64 : MOST);
  const [left, bottom] = large ? [LEFT, height - BELOW] : [3, height - 3];
  const area = { left, top: 4, width: width - left - 4, height: bottom - 4 };
  const events = row.events ?? [];
  const kinds = state.names("events", "kind");
  const label = `${found.of[0]} channels, ${found.of[1]} steps` + (events.length ? `, events: ${events.map((e) => kinds[e.kind] ?? e.kind).join(", ")}` : "");
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const steps = found.of[1];
  const across = (step) => area.left + (area.width * step) / Math.max(1, steps - 1);
  for (const event of events) {
    if (state.get("quiet", new Set()).has(event.kind)) continue;
    const [from, to] = [across(Math.max(0, event.start - 0.5)), across(Math.min(steps - 1, event.end - 0.5))];
    const shade = svg("rect", { x: from, y: area.top, width: Math.max(1, to - from), height: area.height, class: "event", fill: eventColour(event.kind) });
    shade.append(svg("title", {}, `${kinds[event.kind] ?? `event ${event.kind}`}: steps ${event.start} to ${event.end - 1}`));
    drawing.append(shade);
  }
  channels.forEach((channel, place) => drawing.append(...band(channel, place, channels.length, found, spans[channel] ?? [-1, 1], area, large)));
  if (large) drawing.append(...timeAxis(area, across, steps, row.sample_rate_hz));
  if (!channels.length) drawing.append(svg("text", { x: width / 2, y: height / 2, class: "axis", "text-anchor": "middle" }, "every channel is off"));
  return drawing;
}

function band(channel, place, count, found, [low, high], area, large) {
  const tall = (area.height - GAP * (count - 1)) / count;
  const top = area.top + place * (tall + GAP);
  const spare = count > 1 ? 0.5 * tall : 0;
  const limits = [Math.max(area.top, top - spare), Math.min(area.top + area.height, top + tall + spare)];
  const down = (value) => Math.min(limits[1], Math.max(limits[0], top + tall - ((value - low) / (high - low)) * tall));
  const points = found.shape[1];
  const across = (k) => area.left + (area.width * k) / Math.max(1, points - 1);
  let line = "";
  for (let k = 0; k < points; k++) {
    const value = found.values[channel * points + k];
    if (Number.isFinite(value)) line += `${line ? "L" : "M"}${across(k).toFixed(1)} ${down(value).toFixed(1)}`;
  }
  const frame = svg("path", { class: "frame", d: `M${area.left} ${top}V${top + tall}H${area.left + area.width}` });
  const zero = low < 0 && high > 0 ? [svg("path", { class: "zero", d: `M${area.left} ${down(0)}h${area.width}` })] : [];
  const drawn = [frame, ...zero, svg("path", { class: `line ${lineClass(channel)}`, d: line }, svg("title", {}, channelName(channel)))];
  if (large && tall >= 26) {
    const scale = (value, y) => svg("text", { x: area.left - 5, y, class: "axis", "text-anchor": "end" }, number(value, 2));
    drawn.push(scale(high, top + 9), scale(low, top + tall));
  }
  return drawn;
}

function timeAxis(area, across, steps, rate) {
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (steps - 1)));
  const y = area.top + area.height + 17;
  const last = marks.length - 1;
  return marks.map((step, k) =>
    svg("text", { x: across(step), y, class: "axis", "text-anchor": k === 0 ? "start" : k === last ? "end" : "middle" },
      rate ? `${number(step / rate)} s` : k === last ? `step ${step}` : String(step)));
}
