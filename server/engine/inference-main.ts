/**
 * Entry of the inference process. The threads of graphs load the runtime while this thread loads the other modules: each takes a
 * quarter of a second.
 */
import { collectLessOften } from "./collector-setting.js";
import { startSpareThreads } from "./spare-threads.js";

collectLessOften();
startSpareThreads();
await import("./inference-calls.js");
