import { defineConfig } from "vitest/config";
import { DOCUMENT_SUITES, settings } from "./vitest.config.js";

export default defineConfig({ test: { ...settings, include: DOCUMENT_SUITES } });
