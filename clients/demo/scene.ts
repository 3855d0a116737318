/** The content of the demo's clip: named shapes that cross each other, and a speckled pebble without a name. */

export const CLIP = { width: 640, height: 360, fps: 24, frameCount: 168 } as const;

interface Pose {
  x: number;
  y: number;
  /** Degrees. */
  turn?: number;
  scale?: number;
}

interface Actor {
  name: string;
  /** SVG drawn around the origin. */
  svg: string;
  /** Position after this many seconds. */
  pose(seconds: number): Pose;
}

const wave = (seconds: number, periodS: number, phase = 0) =>
  Math.sin((seconds / periodS + phase) * 2 * Math.PI);

/** Corners alternate between the two radii. */
function starPath(corners: number, outer: number, inner: number): string {
  const points = Array.from({ length: corners * 2 }, (_, index) => {
    const angle = (index / corners) * Math.PI - Math.PI / 2;
    const radius = index % 2 === 0 ? outer : inner;
    return `${(radius * Math.cos(angle)).toFixed(1)},${(radius * Math.sin(angle)).toFixed(1)}`;
  });
  return `M${points.join("L")}Z`;
}

const HEART =
  "M0 36C-18 20-42 6-42-14C-42-28-32-36-22-36C-12-36-4-30 0-22C4-30 12-36 22-36C32-36 42-28 42-14C42 6 18 20 0 36Z";
const PEBBLE = "M-52-4C-54-30-26-42 2-40C34-38 56-24 54 2C52 24 34 30 14 38C-8 46-50 26-52-4Z";

/** A pseudorandom sequence that is the same on every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function speckles(count: number): string {
  const random = createRandom(7);
  const colours = ["#5b4636", "#d9c3a0", "#8f6b4a", "#3f332b", "#efe2c6", "#a98863"];
  return Array.from({ length: count }, (_, index) => {
    const x = (random() * 120 - 60).toFixed(1);
    const y = (random() * 96 - 48).toFixed(1);
    const size = 2 + random() * 7;
    const turn = Math.round(random() * 180);
    const place = `translate(${x},${y}) rotate(${turn})`;
    const radii = `rx="${size.toFixed(1)}" ry="${(size * 0.6).toFixed(1)}"`;
    return `<ellipse ${radii} transform="${place}" fill="${colours[index % colours.length]}"/>`;
  }).join("");
}

const stripes = Array.from({ length: 9 }, (_, index) => `M${-80 + index * 20}-40l80 80`).join("");

/** From back to front. */
export const ACTORS: readonly Actor[] = [
  {
    name: "purple heart",
    svg: `<path d="${HEART}" fill="#8e3fd0"/>`,
    pose: (s) => ({ x: 322 + 26 * wave(s, 6), y: 82 + 16 * wave(s, 3.1, 0.2), turn: 9 * wave(s, 2.6) }),
  },
  {
    name: "green star",
    svg: `<path d="${starPath(5, 48, 21)}" fill="#22a53c"/>`,
    pose: (s) => ({ x: 540 - 22 * s, y: 98 + 22 * wave(s, 4), turn: 34 * s }),
  },
  {
    name: "yellow striped square",
    svg:
      `<clipPath id="square"><rect x="-38" y="-38" width="76" height="76"/></clipPath>` +
      `<rect x="-38" y="-38" width="76" height="76" fill="#f4c81b"/>` +
      `<path d="${stripes}" stroke="#191613" stroke-width="8" clip-path="url(#square)"/>`,
    pose: (s) => ({ x: 110 + 26 * s, y: 108 - 14 * wave(s, 5), turn: 10 * wave(s, 4.5) }),
  },
  {
    name: "blue circle",
    svg: `<circle r="42" fill="#2458dd"/>`,
    pose: (s) => ({ x: 560 - 68 * s, y: 246 + 20 * wave(s, 3.6) }),
  },
  {
    name: "red circle",
    svg: `<circle r="44" fill="#e0252b"/>`,
    pose: (s) => ({ x: 90 + 64 * s, y: 226 + 34 * wave(s, 4.8) }),
  },
  {
    name: "green star",
    svg: `<path d="${starPath(5, 40, 18)}" fill="#22a53c"/>`,
    // Enters the picture during the clip.
    pose: (s) => ({ x: -60 + 58 * Math.max(0, s - 2), y: 196 - 12 * wave(s, 3), turn: -40 * s }),
  },
  {
    name: "pebble",
    svg:
      `<clipPath id="pebble"><path d="${PEBBLE}"/></clipPath>` +
      `<g clip-path="url(#pebble)"><rect x="-60" y="-50" width="120" height="100" fill="#b59468"/>${speckles(90)}</g>`,
    pose: (s) => ({
      x: 330 + 150 * wave(s, 9, 0),
      y: 300 + 18 * wave(s, 2.2),
      turn: 40 * wave(s, 5),
      scale: 1 + 0.12 * wave(s, 4),
    }),
  },
];

export const secondsAt = (frameIndex: number) => frameIndex / CLIP.fps;

/** The centre of an actor in a frame, in pixels. */
export function actorCentre(name: string, frameIndex: number): [x: number, y: number] {
  const actor = ACTORS.find((candidate) => candidate.name === name);
  if (!actor) throw new RangeError(`the clip shows no ${name}`);
  const { x, y } = actor.pose(secondsAt(frameIndex));
  return [x, y];
}

/** The actors of one frame, on a transparent ground. */
export function drawActors(frameIndex: number): string {
  const seconds = secondsAt(frameIndex);
  const shapes = ACTORS.map(({ svg, pose }) => {
    const { x, y, turn = 0, scale = 1 } = pose(seconds);
    const place = `translate(${x.toFixed(2)},${y.toFixed(2)}) rotate(${turn.toFixed(2)}) scale(${scale.toFixed(4)})`;
    return `<g transform="${place}">${svg}</g>`;
  });
  return svgDocument(CLIP.width, CLIP.height, shapes.join(""));
}

/** Pixels that the camera moves to the right per frame. */
export const PAN_PX = 2;

/** The landscape below the whole pan of the camera. */
export function drawLandscape(): string {
  const width = CLIP.width + CLIP.frameCount * PAN_PX;
  const { height } = CLIP;
  const hills = (base: number, swing: number, periods: number, phase: number, colour: string) => {
    let path = `M0 ${height}`;
    for (let x = 0; x <= width + 8; x += 8) {
      const turn = (x / width) * periods * 2 * Math.PI + phase;
      path += `L${x} ${(base + swing * (Math.sin(turn) + 0.4 * Math.sin(2.3 * turn + 1))).toFixed(1)}`;
    }
    return `<path d="${path}V${height}Z" fill="${colour}"/>`;
  };
  const clouds = [120, 420, 760, 930].map((x, index) => {
    const y = 40 + (index % 3) * 34;
    return (
      `<g transform="translate(${x},${y})" fill="#e6ebec" opacity=".55"><ellipse rx="62" ry="13"/>` +
      `<ellipse cx="-14" cy="-10" rx="30" ry="16"/><ellipse cx="22" cy="-8" rx="24" ry="12"/></g>`
    );
  });
  return svgDocument(
    width,
    height,
    `<linearGradient id="sky" x2="0" y2="1"><stop stop-color="#8fa9b8"/><stop offset="1" stop-color="#d8d3c4"/></linearGradient>` +
      `<rect width="100%" height="100%" fill="url(#sky)"/>${clouds.join("")}` +
      hills(200, 22, 2.2, 0.4, "#9aa7a0") +
      hills(244, 20, 3.1, 2.1, "#83917f") +
      hills(300, 16, 4.3, 4.2, "#6d7a66"),
  );
}

function svgDocument(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${content}</svg>`;
}
