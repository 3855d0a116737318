import { useSignal } from "@preact/signals";
import { linkStatus, useKey } from "./link.js";
import { serverFacts } from "./server-facts.js";

const WORDS = { connecting: "Connecting", open: "Connected", lost: "Connection lost", refused: "Key needed" };

/** The state of the connection, in the top bar. */
export function LinkLabel() {
  const { kind } = linkStatus.value;
  const pack = serverFacts.value?.pack;
  const title =
    kind === "lost"
      ? "The server keeps the session. The page connects again by itself."
      : pack
        ? `Model pack ${pack.id} ${pack.version} on ${pack.provider}`
        : "";
  return (
    <span class={`link-label ${kind}`} role="status" title={title}>
      <span class="link-dot" aria-hidden="true" />
      <span class="link-words">{kind === "lost" ? "Reconnecting…" : WORDS[kind]}</span>
    </span>
  );
}

/** Asks for the key of a server with keys. */
export function KeyPrompt() {
  const key = useSignal("");
  const status = linkStatus.value;
  if (status.kind !== "refused") return null;
  return (
    <div class="key-layer">
      <form
        class="key-form"
        aria-labelledby="key-title"
        onSubmit={(event) => {
          event.preventDefault();
          if (key.value.trim()) useKey(key.value.trim());
        }}
      >
        <h2 id="key-title">This server needs a key</h2>
        <p class="muted">
          The operator of the server creates one with <code>masklet keys add</code>.
        </p>
        <label>
          Key
          <input
            class="field"
            type="password"
            autocomplete="current-password"
            placeholder="masklet_…"
            value={key.value}
            ref={(field) => field?.focus()}
            onInput={({ currentTarget }) => {
              key.value = currentTarget.value;
            }}
          />
        </label>
        {status.message && <p role="alert">{status.message}</p>}
        <button type="submit" class="button primary">
          Connect
        </button>
      </form>
    </div>
  );
}
