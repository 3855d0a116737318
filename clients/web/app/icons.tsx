/** Inline icons of 20 units, drawn with lines in the colour of the text. */
const PATHS = {
  click: "M6 3v11l3-2.6 2 4.6 2-1-2-4.4 4-.4z",
  box: "M3.5 5.5h13v9h-13z M3.5 5.5h0 M16.5 14.5h0",
  brush: "M12.5 3.5l4 4-7 7c-1.6 1.6-4.6 2.2-6 2 .3-1.4.4-4.4 2-6z M10.5 5.5l4 4",
  erase: "M8 16h8 M4 12.5l7-8 5.5 5-5.5 6.5H7.5z M7.5 8.5l5.5 5",
  polygon: "M5 15l-1.5-7L10 3.5l6.5 4-2 7.5z",
  pan: "M10 2.5v15 M2.5 10h15 M10 2.5l-2 2 M10 2.5l2 2 M10 17.5l-2-2 M10 17.5l2-2 M2.5 10l2-2 M2.5 10l2 2 M17.5 10l-2-2 M17.5 10l-2 2",
  play: "M6 4l10 6-10 6z",
  pause: "M6.5 4v12 M13.5 4v12",
  previous: "M13 5l-6 5 6 5",
  next: "M7 5l6 5-6 5",
  forward: "M3 5l6 5-6 5z M10 5l6 5-6 5z",
  backward: "M17 5l-6 5 6 5z M10 5l-6 5 6 5z",
  both: "M8 5l-6 5 6 5z M12 5l6 5-6 5z",
  toHere: "M3 10h9 M9 6l4 4-4 4 M16 4v12",
  recompute: "M15.5 8A6 6 0 1 0 16 12 M16 4v4h-4",
  fit: "M3 7V3h4 M13 3h4v4 M17 13v4h-4 M7 17H3v-4",
  undo: "M4 8h8a4 4 0 0 1 0 8H8 M7 5L4 8l3 3",
  redo: "M16 8H8a4 4 0 0 0 0 8h4 M13 5l3 3-3 3",
  plus: "M10 4v12 M4 10h12",
  close: "M5 5l10 10 M15 5L5 15",
  upload: "M10 14V4 M6 8l4-4 4 4 M4 16h12",
  film: "M3.5 4.5h13v11h-13z M7 4.5v11 M13 4.5v11 M3.5 10h13",
  folder: "M2.5 5.5h5l1.5 2h8.5v8h-15z",
  camera: "M3 6.5h9.5v7H3z M12.5 9l4.5-2.5v7L12.5 11z",
  server: "M3.5 4h13v5h-13z M3.5 11h13v5h-13z M6 6.5h0.1 M6 13.5h0.1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
