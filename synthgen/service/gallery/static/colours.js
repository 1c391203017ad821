// Colours for classes and lines; the same as in a run's report.

// Okabe and Ito 2008: told apart by people with any of the common colour blindnesses
const SAFE = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [204, 121, 167], [0, 114, 178], [213, 94, 0], [240, 228, 66], [0, 0, 0]];
const GOLDEN = 0.6180339887498949;

function fromHls(hue, light, full) {
  const a = full * Math.min(light, 1 - light);
  const part = (n) => {
    const k = (n + hue * 12) % 12;
    return Math.round(255 * (light - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

export function classColour(number) {
  if (number < SAFE.length) return SAFE[number];
  const step = number - SAFE.length;
  return fromHls((step * GOLDEN) % 1, [0.42, 0.58, 0.72][step % 3], [0.85, 0.7, 0.6][step % 3]);
}

export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

// of lines on paper, in light and in dark
export const lineClass = (channel) => `tone${channel % 6}`;
