import { useSignal } from "@preact/signals";
import { CommandButton } from "../app/CommandButton.js";
import { serverFacts } from "../connection/server-facts.js";
import type { OpenSession } from "../session/open-session.js";
import { sendPhrase } from "./send-prompt.js";
import { addsToSelected, ofObject, selectedObject } from "./target.js";

/** Above the picture: which object presses belong to, and the phrase field. */
export function PromptBar({ session }: { session: OpenSession }) {
  const id = selectedObject(session);
  const target = id === undefined ? undefined : ofObject(session, id);
  const adds = addsToSelected.value && target !== undefined;
  return (
    <div class="prompt-bar">
      <div class="target-choice" role="group" aria-label="Presses outside of masks belong to">
        <CommandButton id="new-object" class="button" pressed={!adds} label="New object">
          New object
        </CommandButton>
        <CommandButton
          id="add-to-selected"
          class="button"
          pressed={adds}
          label={target ? `Add to ${target.name}` : "Add to the selected object"}
        >
          <span class="swatch" style={{ background: target?.colour ?? "transparent" }} />
          <span class="target-name">{target ? `Add to ${target.name}` : "Add to selected"}</span>
        </CommandButton>
      </div>
      {serverFacts.value?.pack.capabilities.text !== false && <Phrase session={session} />}
    </div>
  );
}

function Phrase({ session }: { session: OpenSession }) {
  const text = useSignal("");
  const isBusy = useSignal(false);
  return (
    <form
      class="phrase"
      role="search"
      onSubmit={async (event) => {
        event.preventDefault();
        const phrase = text.value.trim();
        if (phrase === "" || isBusy.value) return;
        isBusy.value = true;
        await sendPhrase(session, phrase);
        isBusy.value = false;
        text.value = "";
      }}
    >
      <input
        id="phrase"
        class="field"
        type="text"
        maxLength={200}
        placeholder="Phrase: “dog”"
        aria-label="Find objects by a phrase"
        value={text.value}
        onInput={({ currentTarget }) => {
          text.value = currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <button type="submit" class="button" disabled={isBusy.value || text.value.trim() === ""}>
        {isBusy.value ? "Finding…" : "Find"}
      </button>
    </form>
  );
}
