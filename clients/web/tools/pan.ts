import type { Tool } from "./tool.js";

/** Moves the picture. Space moves it with any tool. */
export const panTool: Tool = {
  id: "pan",
  title: "Move the picture",
  key: "W",
  icon: "pan",
  cursor: "grab",
  hint: () => "Drag to move the picture, wheel to zoom",
  target: () => undefined,
  begin: () => undefined,
};
