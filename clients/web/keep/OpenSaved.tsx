/** Opens a session file with its video, also one that was saved on another machine. */
import { useSignal } from "@preact/signals";
import { messageOf } from "../app/message-of.js";
import { fetchFromServer } from "../connection/http.js";
import { activeSession, loadVideo, requireClient } from "../session/sessions.js";
import { Dialog } from "../theme/Dialog.js";
import { recordOf } from "./records.js";

export function OpenSaved({ onClose }: { onClose(): void }) {
  const file = useSignal<File | undefined>(undefined);
  const video = useSignal<File | undefined>(undefined);
  const step = useSignal<string | undefined>(undefined);
  const error = useSignal<string | undefined>(undefined);
  const current = activeSession.value;
  const media = recordOf(current?.id)?.media;

  async function open(saved: File): Promise<void> {
    error.value = undefined;
    try {
      const client = requireClient();
      step.value = "Sending the session file";
      const answer = await fetchFromServer("v1/saved", { method: "POST", body: saved });
      const { saved_id } = (await answer.json()) as { saved_id: string };
      step.value = "Sending the video";
      const given = video.peek();
      const place = given
        ? { upload_id: (await client.uploadResumable(given, { filename: given.name })).upload_id }
        : media;
      if (!place) throw new Error("choose the video of this session");
      step.value = "Opening";
      const name = given?.name ?? current?.name.peek() ?? saved.name;
      await loadVideo({ saved_id, ...place, mask_format: "binary" }, { name, ...(given && { file: given }) });
      onClose();
    } catch (problem) {
      error.value = `${messageOf(problem)} Nothing was changed.`;
    } finally {
      step.value = undefined;
    }
  }

  return (
    <Dialog title="Open a session file" onClose={onClose}>
      <form
        class="take-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (file.value) void open(file.value);
        }}
      >
        <label>
          <span>Session file (.masklet)</span>
          <input
            type="file"
            accept=".masklet,.zip"
            onChange={({ currentTarget }) => {
              file.value = currentTarget.files?.[0];
            }}
          />
        </label>
        <label>
          <span>Its video{media && current ? `; without a choice: ${current.name.value}` : ""}</span>
          <input
            type="file"
            accept="video/*,image/*,.zip,.tar,.mkv"
            onChange={({ currentTarget }) => {
              video.value = currentTarget.files?.[0];
            }}
          />
        </label>
        {error.value !== undefined && (
          <p class="dialog-error" role="alert">
            {error.value}
          </p>
        )}
        <div class="dialog-actions">
          <output class="muted">{step.value}</output>
          <button
            type="submit"
            class="button primary"
            disabled={!file.value || step.value !== undefined || (!video.value && !media)}
          >
            Open
          </button>
        </div>
      </form>
    </Dialog>
  );
}
