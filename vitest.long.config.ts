import { defineConfig } from "vitest/config";
import base, { LONG_SUITES } from "./vitest.config.js";

export default defineConfig({ test: { ...base.test, include: LONG_SUITES, exclude: [] } });
