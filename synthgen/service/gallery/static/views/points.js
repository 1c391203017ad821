// Clouds of points coloured by part, and meshes, turning.

import { blob } from "../api.js";
import { classColour, css } from "../colours.js";
import { h, plural } from "../dom.js";
import { check, toggles } from "./controls.js";
import { numbers } from "./numbers.js";
import { readPly } from "./ply.js";
import { frame, Raster } from "./raster.js";

const SIDES = { small: 288, large: 640 };
const START = 0.6; // radians
const SPEED = 0.55; // radians a second
const PAUSE = 40; // milliseconds between pictures
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const DARK = matchMedia("(prefers-color-scheme: dark)");

export const points = {
  name: "points",
  aside: true,
  controls: (state) => [
    check("Turn", state, "turns", !STILL.matches),
    toggles("Parts", state, "off", state.names("parts").map((name, number) => ({ number, name, colour: css(visible(classColour(number))) }))),
  ],
  tile(row, state, large) {
    const scene = cloud(row);
    const parts = new Set(scene.groups).size;
    const label = `${plural(scene.of, "point")} in ${plural(parts, "part")}`;
    const canvas = h("canvas", { width: large ? SIDES.large : SIDES.small, height: large ? SIDES.large : SIDES.small, role: "img", "aria-label": label });
    const box = h("div", { class: large ? "cloud large" : "cloud" }, canvas);
    const turning = new Turning(canvas, scene, state, large);
    if (large && (row.mesh?.url || row.mesh?.ply)) box.append(meshSwitch(row, scene, turning));
    if (large) box.append(h("p", { class: "hint" }, "Drag to turn, or use the arrow keys."));
    return box;
  },
};

// Black is lost on dark paper.
const visible = (colour) => (DARK.matches && Math.max(...colour) < 60 ? [190, 190, 190] : colour);

function cloud(row) {
  const { values, of } = numbers(row.points);
  const count = values.length / 3;
  const groups = row.parts ? numbers(row.parts).values : new Uint8Array(count);
  const colours = new Uint8Array(3 * count);
  for (let k = 0; k < count; k++) colours.set(visible(classColour(groups[k])), 3 * k);
  return { points: values, colours, groups, frame: frame(values), of: of[0] };
}

function meshSwitch(row, scene, turning) {
  const button = h("button", { type: "button", "aria-pressed": "false" }, "Show the mesh");
  let mesh = null;
  button.addEventListener("click", async () => {
    try {
      mesh ??= paintFaces(readPly(await (await blob(row.mesh)).arrayBuffer()), scene);
    } catch {
      mesh = null;
    }
    if (!mesh) {
      button.textContent = "The mesh cannot be read";
      button.disabled = true;
      return;
    }
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    turning.show(on ? mesh : scene);
  });
  return h("p", { class: "actions" }, button);
}

// Each triangle takes the part of the nearest point.
function paintFaces(mesh, scene) {
  if (!mesh) return null;
  const count = mesh.faces.length / 3;
  const faceColours = new Uint8Array(3 * count);
  const groups = new Uint8Array(count);
  for (let f = 0; f < count; f++) {
    const middle = [0, 1, 2].map((axis) => (mesh.points[3 * mesh.faces[3 * f] + axis] + mesh.points[3 * mesh.faces[3 * f + 1] + axis] + mesh.points[3 * mesh.faces[3 * f + 2] + axis]) / 3);
    let [best, near] = [Infinity, 0];
    for (let k = 0; k < scene.groups.length; k++) {
      const [x, y, z] = [scene.points[3 * k] - middle[0], scene.points[3 * k + 1] - middle[1], scene.points[3 * k + 2] - middle[2]];
      const away = x * x + y * y + z * z;
      if (away < best) [best, near] = [away, k];
    }
    groups[f] = scene.groups[near];
    faceColours.set(scene.colours.subarray(3 * near, 3 * near + 3), 3 * f);
  }
  return { ...mesh, faceColours, groups, frame: scene.frame };
}

class Turning {
  constructor(canvas, scene, state, large) {
    Object.assign(this, { canvas, scene, state, large, turn: START, tilt: undefined, seen: false, held: false, last: 0 });
    this.raster = new Raster(canvas);
    new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      this.wake();
    }).observe(canvas);
    state.follow(canvas, () => this.wake());
    if (large) this.listen();
  }

  show(scene) {
    this.scene = scene;
    this.draw();
  }

  turns() {
    return this.state.get("turns", !STILL.matches) && !this.held;
  }

  draw() {
    this.raster.draw({ ...this.scene, hidden: this.state.get("off") }, this.turn, this.tilt, DARK.matches ? [27, 31, 37] : [255, 255, 255]);
  }

  wake() {
    this.draw();
    if (this.asked || !this.seen || !this.turns()) return;
    this.asked = requestAnimationFrame((now) => this.step(now));
  }

  step(now) {
    this.asked = null;
    if (!this.canvas.isConnected || !this.seen || !this.turns()) {
      this.last = 0;
      return;
    }
    const passed = this.last ? now - this.last : PAUSE;
    if (passed >= PAUSE) {
      this.turn += (SPEED * Math.min(passed, 200)) / 1000;
      this.last = now;
      this.draw();
    }
    this.asked = requestAnimationFrame((later) => this.step(later));
  }

  listen() {
    const { canvas } = this;
    canvas.tabIndex = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.held = true;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.move(-event.movementX / 90, event.movementY / 90);
    });
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [0.15, 0], ArrowRight: [-0.15, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
      if (!moves[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      this.held = true;
      this.move(...moves[event.key]);
    });
  }

  move(turn, tilt) {
    this.turn += turn;
    this.tilt = Math.max(-1.5, Math.min(1.5, (this.tilt ?? 0.42) + tilt));
    this.draw();
  }
}
