// Points and triangles with a depth buffer, in plain JavaScript: no limit on how many are on a page at once.
//
// `scene`: {points: Float32Array (n × 3), colours: Uint8Array (n × 3)} and, for a mesh, also {faces, faceColours}.
// Seen from the front, right and above: front is -y, up is +z.

const ELEVATION = 0.42;
const LIGHT = [-0.45, 0.65, 0.61]; // from the left above, in the viewer's frame: right, up, towards the viewer
const AMBIENT = 0.5;
const FADE = 0.45; // how much of the paper shows through the farthest point

export function frame(points) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let k = 0; k < points.length; k++) {
    low[k % 3] = Math.min(low[k % 3], points[k]);
    high[k % 3] = Math.max(high[k % 3], points[k]);
  }
  const centre = low.map((value, axis) => (value + high[axis]) / 2);
  let reach = 0;
  for (let k = 0; k < points.length; k += 3) reach = Math.max(reach, Math.hypot(points[k] - centre[0], points[k + 1] - centre[1], points[k + 2] - centre[2]));
  return { centre, reach: reach || 1 };
}

// Rows: right, up, towards the viewer.
function rotation(turn, tilt) {
  const [c, s, e, f] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  return [[c, s, 0], [-s * f, c * f, e], [s * e, -c * e, f]];
}

function project(points, { centre, reach }, turn, tilt, side) {
  const axes = rotation(turn, tilt);
  const scale = (0.47 * side) / reach;
  const out = new Float32Array(points.length);
  for (let k = 0; k < points.length; k += 3) {
    const [x, y, z] = [points[k] - centre[0], points[k + 1] - centre[1], points[k + 2] - centre[2]];
    out[k] = side / 2 + scale * (axes[0][0] * x + axes[0][1] * y + axes[0][2] * z);
    out[k + 1] = side / 2 - scale * (axes[1][0] * x + axes[1][1] * y + axes[1][2] * z);
    out[k + 2] = (axes[2][0] * x + axes[2][1] * y + axes[2][2] * z) / reach; // -1 far … 1 near
  }
  return out;
}

export class Raster {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.image = this.pen.createImageData(canvas.width, canvas.height);
    this.depth = new Float32Array(canvas.width * canvas.height);
  }

  draw(scene, turn, tilt = ELEVATION, paper = [255, 255, 255]) {
    this.image.data.fill(0);
    this.depth.fill(-Infinity);
    const placed = project(scene.points, scene.frame, turn, tilt, this.canvas.width);
    if (scene.faces) this.triangles(placed, scene);
    else this.discs(placed, scene, paper);
    this.pen.putImageData(this.image, 0, 0);
  }

  put(x, y, z, red, green, blue) {
    const { width, height } = this.canvas;
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const at = y * width + x;
    if (z <= this.depth[at]) return;
    this.depth[at] = z;
    const data = this.image.data;
    data[4 * at] = red;
    data[4 * at + 1] = green;
    data[4 * at + 2] = blue;
    data[4 * at + 3] = 255;
  }

  discs(placed, { colours, hidden, groups }, paper) {
    const count = placed.length / 3;
    const radius = (this.canvas.width * 0.62) / Math.sqrt(count) * 0.62;
    const r = Math.max(1, Math.ceil(radius));
    for (let k = 0; k < count; k++) {
      if (hidden?.has(groups[k])) continue;
      const z = placed[3 * k + 2];
      const fade = (FADE * (1 - z)) / 2;
      const [x, y] = [Math.round(placed[3 * k]), Math.round(placed[3 * k + 1])];
      for (let dy = -r; dy <= r; dy++) {
        for (let dx = -r; dx <= r; dx++) {
          const off = (dx * dx + dy * dy) / (radius * radius);
          if (off > 1) continue;
          const light = 1 - 0.28 * off; // a little darker at the rim: a ball
          const mix = (c) => (colours[3 * k + c] * (1 - fade) + paper[c] * fade) * light;
          this.put(x + dx, y + dy, z - 0.02 * off, mix(0), mix(1), mix(2));
        }
      }
    }
  }

  triangles(placed, { faces, faceColours, hidden, groups }) {
    for (let f = 0; f < faces.length; f += 3) {
      if (hidden?.has(groups[f / 3])) continue;
      const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
      this.triangle(placed, a, b, c, faceColours.subarray(f, f + 3));
    }
  }

  triangle(p, a, b, c, colour) {
    const [ux, uy, uz] = [p[b] - p[a], p[a + 1] - p[b + 1], ((p[b + 2] - p[a + 2]) * this.canvas.width) / 2];
    const [vx, vy, vz] = [p[c] - p[a], p[a + 1] - p[c + 1], ((p[c + 2] - p[a + 2]) * this.canvas.width) / 2];
    const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    const size = Math.hypot(...normal) || 1;
    const facing = normal[2] < 0 ? -1 : 1; // seen from behind, a surface is lit as from the front
    const shine = Math.max(0, (facing * (normal[0] * LIGHT[0] + normal[1] * LIGHT[1] + normal[2] * LIGHT[2])) / size);
    const light = AMBIENT + (1 - AMBIENT) * shine;
    const [red, green, blue] = [colour[0] * light, colour[1] * light, colour[2] * light];
    const area = (p[b] - p[a]) * (p[c + 1] - p[a + 1]) - (p[b + 1] - p[a + 1]) * (p[c] - p[a]);
    if (!area) return;
    const left = Math.floor(Math.min(p[a], p[b], p[c]));
    const right = Math.ceil(Math.max(p[a], p[b], p[c]));
    const top = Math.floor(Math.min(p[a + 1], p[b + 1], p[c + 1]));
    const bottom = Math.ceil(Math.max(p[a + 1], p[b + 1], p[c + 1]));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const s = ((x - p[a]) * (p[c + 1] - p[a + 1]) - (y - p[a + 1]) * (p[c] - p[a])) / area;
        const t = ((p[b] - p[a]) * (y - p[a + 1]) - (p[b + 1] - p[a + 1]) * (x - p[a])) / area;
        if (s < -0.01 || t < -0.01 || s + t > 1.01) continue;
        this.put(x, y, p[a + 2] + s * (p[b + 2] - p[a + 2]) + t * (p[c + 2] - p[a + 2]), red, green, blue);
      }
    }
  }
}
