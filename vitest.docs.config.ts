import { defineConfig } from "vitest/config";
import base, { DOCUMENT_SUITES } from "./vitest.config.js";

export default defineConfig({ test: { ...base.test, include: DOCUMENT_SUITES, exclude: [] } });
