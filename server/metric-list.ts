/** Every metric that the server counts or measures while it works. Labels have values of a fixed set, and never owners. */

interface Described {
  help: string;
  labels?: readonly string[];
}

export const COUNTERS = {
  masklet_requests_total: { help: "Requests received, by type.", labels: ["type"] },
  masklet_errors_total: { help: "Requests that failed, by error code.", labels: ["code"] },
  masklet_refusals_total: {
    help: "HTTP requests and upgrades refused before their route, by code.",
    labels: ["code"],
  },
  masklet_frames_total: { help: "Frames whose masks were published." },
  masklet_dropped_sockets_total: { help: "Sockets closed without an answer because too many were open." },
  masklet_received_bytes_total: { help: "Bytes of WebSocket messages received." },
  masklet_sent_bytes_total: { help: "Bytes of WebSocket messages sent." },
  masklet_upload_bytes_total: { help: "Bytes of finished uploads." },
} as const satisfies Record<string, Described>;

/** From a mask of a small model to a step of a large one without an accelerator. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/**
 * Durations in seconds. The stages of a frame: `decode` waits for its pixels, `engine` for one call of the inference process,
 * `output` encodes the masks, `send` waits for the reader.
 */
export const HISTOGRAMS = {
  masklet_stage_seconds: { help: "Time of one frame in a stage.", labels: ["stage"], buckets: SECONDS },
  masklet_engine_call_seconds: {
    help: "Time of one call of the inference process, waiting included, by verb.",
    labels: ["verb"],
    buckets: SECONDS,
  },
  masklet_request_seconds: {
    help: "Time from a request to its answer, or to the end of its stream, by type.",
    labels: ["type"],
    buckets: SECONDS,
  },
  masklet_http_seconds: {
    help: "Time from an HTTP request to the end of its answer.",
    labels: ["method", "status"],
    buckets: SECONDS,
  },
  masklet_wait_seconds: {
    help: "Time that a request waited for a place, by share.",
    labels: ["share"],
    buckets: SECONDS,
  },
} as const satisfies Record<string, Described & { buckets: readonly number[] }>;

export type CounterName = keyof typeof COUNTERS;
export type HistogramName = keyof typeof HISTOGRAMS;
export type Stage = "decode" | "engine" | "output" | "send";
