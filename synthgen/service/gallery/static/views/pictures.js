// Images, and images under a mask whose classes are tinted.

import { blob, image } from "../api.js";
import { classColour, css } from "../colours.js";
import { h } from "../dom.js";
import { slider, toggles } from "./controls.js";

export const picture = {
  name: "picture",
  aside: true,
  controls: () => null,
  tile: (row, state, large) => h("div", { class: large ? "picture large" : "picture" }, image(row.image, "generated picture")),
};

const OPACITY = 0.4;
const FINE = 224; // pixels that a small picture is enlarged to before outlines are drawn, about
const MOST = 60; // classes that can be switched
const PLAIN = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

const maskClasses = (state) => state.names("objects", "class");
const tint = (number) => (number > 0 ? classColour(number - 1) : null); // class 0 stays bare

export const masked = {
  name: "masked",
  aside: true,
  controls(state) {
    const entries = maskClasses(state).map((name, number) => ({ number, name, colour: tint(number) && css(tint(number)) })).slice(1, MOST);
    return [
      slider("Mask opacity", state, "opacity", { low: 0, high: 1, step: 0.05, value: state.get("opacity", OPACITY), show: (v) => `${Math.round(v * 100)} %` }),
      toggles("Classes", state, "off", entries),
    ];
  },
  tile(row, state, large) {
    const canvas = h("canvas", { class: "crisp", role: "img", "aria-label": "generated picture under its mask" });
    const box = h("div", { class: large ? "picture large" : "picture" }, canvas);
    Promise.all([row.image, row.mask].map(async (source) => readPixels(await blob(source)))).then(
      ([pixels, mask]) => state.follow(box, () => overlay(canvas, pixels, mask, state)),
      () => box.append(h("p", { class: "empty" }, "could not be loaded")),
    );
    return box;
  },
};

async function readPixels(data) {
  const bitmap = await createImageBitmap(data, PLAIN);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0);
  return pen.getImageData(0, 0, bitmap.width, bitmap.height);
}

// The picture with tints of the classes and thin outlines; what stands for "not annotated" is grey.
function overlay(canvas, pixels, mask, state) {
  const { width, height } = pixels;
  const times = Math.max(1, Math.round(FINE / Math.max(width, height)));
  const opacity = state.get("opacity", OPACITY);
  const off = state.get("off", new Set());
  const known = maskClasses(state).length || 255;
  const colour = (value) => (value === 0 || off.has(value) ? null : value >= known ? [128, 128, 128] : tint(value));
  const palette = Array.from({ length: 256 }, (_, value) => colour(value));
  canvas.width = width * times;
  canvas.height = height * times;
  const pen = canvas.getContext("2d");
  const out = pen.createImageData(canvas.width, canvas.height);
  const scale = [mask.width / width, mask.height / height];
  const at = (x, y) => mask.data[4 * (Math.floor(y * scale[1]) * mask.width + Math.floor(x * scale[0]))];
  for (let y = 0; y < canvas.height; y++) {
    const v = Math.floor(y / times);
    for (let x = 0; x < canvas.width; x++) {
      const u = Math.floor(x / times);
      const value = at(u, v);
      const paint = palette[value];
      let strength = paint ? opacity : 0;
      if (paint && opacity > 0 && isEdge(x, y, u, v, times, width, height, value, at)) strength = 1;
      const from = 4 * (v * width + u);
      const to = 4 * (y * canvas.width + x);
      for (let c = 0; c < 3; c++) out.data[to + c] = strength ? pixels.data[from + c] * (1 - strength) + paint[c] * strength : pixels.data[from + c];
      out.data[to + 3] = 255;
    }
  }
  pen.putImageData(out, 0, 0);
}

function isEdge(x, y, u, v, times, width, height, value, at) {
  const left = x % times === 0 && u > 0 && at(u - 1, v) !== value;
  const right = x % times === times - 1 && u < width - 1 && at(u + 1, v) !== value;
  const up = y % times === 0 && v > 0 && at(u, v - 1) !== value;
  const down = y % times === times - 1 && v < height - 1 && at(u, v + 1) !== value;
  return left || right || up || down;
}
