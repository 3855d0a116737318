import { defineConfig } from "vitest/config";
import { LONG_SUITES, settings } from "./vitest.config.js";

export default defineConfig({ test: { ...settings, include: LONG_SUITES } });
