// Binary PLY meshes, as the dataset holds them: float vertices and triangles.

const SIZES = { char: 1, uchar: 1, int8: 1, uint8: 1, short: 2, ushort: 2, int16: 2, uint16: 2, int: 4, uint: 4, int32: 4, uint32: 4, float: 4, float32: 4, double: 8, float64: 8 };

function read(view, at, kind) {
  const methods = { float: "getFloat32", float32: "getFloat32", double: "getFloat64", float64: "getFloat64", int: "getInt32", int32: "getInt32", uint: "getUint32", uint32: "getUint32", short: "getInt16", int16: "getInt16", ushort: "getUint16", uint16: "getUint16", char: "getInt8", int8: "getInt8", uchar: "getUint8", uint8: "getUint8" };
  return view[methods[kind]](at, true);
}

// {points: Float32Array (n × 3), faces: Uint32Array (m × 3)}; null for what is not such a file.
export function readPly(buffer) {
  const end = "end_header\n";
  const head = new TextDecoder("latin1").decode(buffer.slice(0, 4096));
  const stop = head.indexOf(end);
  if (!head.startsWith("ply\n") || stop < 0 || !head.includes("binary_little_endian")) return null;
  const elements = [];
  for (const line of head.slice(0, stop).split("\n")) {
    const told = line.trim().split(/\s+/);
    if (told[0] === "element") elements.push({ name: told[1], count: Number(told[2]), properties: [] });
    if (told[0] === "property") elements.at(-1).properties.push(told.slice(1));
  }
  const view = new DataView(buffer);
  const found = { points: new Float32Array(0), faces: [] };
  let at = stop + end.length;
  for (const { name, count, properties } of elements) {
    if (name === "vertex") found.points = new Float32Array(3 * count);
    for (let k = 0; k < count; k++) {
      for (const [kind, second, third, label] of properties) {
        if (kind === "list") {
          const length = read(view, at, second);
          at += SIZES[second];
          if (name === "face" && length === 3 && label.startsWith("vert")) for (let c = 0; c < 3; c++) found.faces.push(read(view, at + c * SIZES[third], third));
          at += length * SIZES[third];
        } else {
          const axis = ["x", "y", "z"].indexOf(second);
          if (name === "vertex" && axis >= 0) found.points[3 * k + axis] = read(view, at, kind);
          at += SIZES[kind];
        }
      }
    }
  }
  return { points: found.points, faces: Uint32Array.from(found.faces) };
}
