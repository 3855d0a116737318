import { signal } from "@preact/signals";
import { boxTool } from "./box.js";
import { brushTool, eraseTool } from "./brush.js";
import { clickTool } from "./click.js";
import { panTool } from "./pan.js";
import { polygonTool } from "./polygon.js";
import type { Tool } from "./tool.js";

export const TOOLS: readonly Tool[] = [clickTool, boxTool, brushTool, eraseTool, polygonTool, panTool];

export const currentTool = signal<Tool>(clickTool);
