// Arrays of numbers, as the service packs them or as plain nested lists.

export function numbers(value) {
  if (Array.isArray(value)) {
    const shape = [];
    for (let inner = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
    return { values: Float32Array.from(value.flat(Infinity)), shape, of: shape };
  }
  const bytes = Uint8Array.from(atob(value.float32 ?? value.uint8), (c) => c.charCodeAt(0));
  const values = value.float32 !== undefined ? new Float32Array(bytes.buffer) : bytes;
  return { values, shape: value.shape, of: value.of ?? value.shape };
}

export const isNumbers = (value) => Boolean(value && typeof value === "object" && (value.float32 ?? value.uint8) !== undefined);
