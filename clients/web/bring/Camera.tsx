import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import { linkClient } from "../connection/link.js";
import { LivePicture } from "./LivePicture.js";
import { type LiveMasks, startLiveMasks } from "./live-masks.js";
import { openFiles } from "./open-media.js";
import { type Recording, startRecording } from "./record.js";

/** The camera with live masks. It is recorded meanwhile, so that the clip can be opened afterwards. */
export function Camera({ onClose }: { onClose(): void }) {
  const recording = useSignal<Recording | undefined>(undefined);
  const masks = useSignal<LiveMasks | undefined>(undefined);
  const hasFailed = useSignal(false);
  useEffect(() => {
    let isGone = false;
    const failMasks = (error: unknown) => {
      if (isGone) return;
      masks.value?.stop();
      masks.value = undefined;
      hasFailed.value = true;
      const detail = `${messageOf(error)} The recording continues: stop it to open it as a video.`;
      notify({ kind: "error", title: "The live masks have stopped", detail });
    };
    async function start(): Promise<void> {
      const started = await startRecording();
      if (isGone) return started.cancel();
      recording.value = started;
      const client = linkClient.peek();
      if (!client) return failMasks(new Error("The page is not connected to the server."));
      const live = await startLiveMasks(client, started.stream, failMasks).catch(failMasks);
      if (!live) return;
      if (isGone) live.stop();
      else masks.value = live;
    }
    start().catch((error) => {
      if (isGone) return;
      const detail = `${messageOf(error)} Allow this page to use a camera, or open a file.`;
      notify({ kind: "error", title: "The camera cannot be used", detail });
      onClose();
    });
    return () => {
      isGone = true;
      masks.value?.stop();
      recording.value?.cancel();
    };
  }, []);
  return (
    <section class="camera" aria-label="Camera">
      {masks.value ? (
        <LivePicture masks={masks.value} />
      ) : (
        <p class="camera-waiting muted" role="status">
          {hasFailed.value
            ? "The camera is recorded, without masks."
            : recording.value
              ? "Starting the model…"
              : "Waiting for the camera. The browser may ask for permission."}
        </p>
      )}
      <div class="bring-buttons">
        <button
          type="button"
          class="button primary"
          disabled={!recording.value}
          onClick={async () => {
            const clip = await recording.value?.finish();
            onClose();
            if (clip) await openFiles([clip]);
          }}
        >
          Stop and open the recording
        </button>
        <button type="button" class="button" onClick={onClose}>
          Stop without a recording
        </button>
      </div>
    </section>
  );
}
