import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import { openFiles } from "./open-media.js";
import { type Recording, startRecording } from "./record.js";

/** Records a clip and opens it. */
export function Camera({ onClose }: { onClose(): void }) {
  const recording = useSignal<Recording | undefined>(undefined);
  useEffect(() => {
    let isGone = false;
    startRecording().then(
      (started) => {
        if (isGone) started.cancel();
        else recording.value = started;
      },
      (error) => {
        notify({
          kind: "error",
          title: "The camera cannot be used",
          detail: `${messageOf(error)} Allow this page to use a camera, or open a file.`,
        });
        onClose();
      },
    );
    return () => {
      isGone = true;
      recording.value?.cancel();
    };
  }, []);
  return (
    <div class="camera">
      <video
        class="camera-picture"
        muted
        autoplay
        playsInline
        aria-label="Camera"
        ref={(element) => {
          if (element && recording.value && element.srcObject !== recording.value.stream) {
            element.srcObject = recording.value.stream;
          }
        }}
      />
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
          Stop and open the clip
        </button>
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </div>
  );
}
