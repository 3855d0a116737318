import { useSignal } from "@preact/signals";
import { Icon } from "../app/icons.js";
import { EarlierWorkSlot } from "../app/layers.js";
import { Camera } from "./Camera.js";
import { droppedFiles } from "./dropped-files.js";
import { openFiles, opening } from "./open-media.js";
import { ServerFiles } from "./ServerFiles.js";

/** The page without a video: where one is brought. */
export function Bring() {
  const isOver = useSignal(false);
  const usesCamera = useSignal(false);
  return (
    <main
      class={isOver.value ? "bring over" : "bring"}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) isOver.value = false;
      }}
      onDrop={async (event) => {
        event.preventDefault();
        isOver.value = false;
        if (!event.dataTransfer) return;
        const { files, folder } = await droppedFiles(event.dataTransfer);
        await openFiles(files, folder);
      }}
    >
      <div class="bring-column">
        <h1>Cut objects out of video</h1>
        <p class="bring-lead">Click on something that moves. masklet follows it through every frame.</p>
        {opening.value ? (
          <OpeningCard />
        ) : usesCamera.value ? (
          <Camera onClose={() => (usesCamera.value = false)} />
        ) : (
          <DropZone onCamera={() => (usesCamera.value = true)} />
        )}
        <div class="bring-lists">
          <ServerFiles />
          <EarlierWorkSlot />
        </div>
      </div>
    </main>
  );
}

function DropZone({ onCamera }: { onCamera(): void }) {
  const take = async (input: HTMLInputElement) => {
    const files = [...(input.files ?? [])].filter(
      ({ webkitRelativePath: path }) => path.split("/").length <= 2,
    );
    const folder = files[0]?.webkitRelativePath.split("/")[0] || undefined;
    input.value = "";
    if (files.length > 0) await openFiles(files, folder);
  };
  return (
    <section class="drop-zone" aria-label="Open a video">
      <Icon name="upload" size={30} />
      <p class="drop-title">Drop a video here</p>
      <p class="muted">MP4, MOV, MKV or WebM; a folder or an archive of pictures</p>
      <div class="bring-buttons">
        <label class="button primary">
          Choose a file
          <input
            class="visually-hidden"
            type="file"
            accept="video/*,image/*,.zip,.tar,.tgz,.gz,.mkv,.ts,.y4m"
            data-testid="file-input"
            onChange={({ currentTarget }) => void take(currentTarget)}
          />
        </label>
        <label class="button">
          Choose a folder
          <input
            class="visually-hidden"
            type="file"
            multiple
            ref={(input) => {
              if (input) input.webkitdirectory = true;
            }}
            onChange={({ currentTarget }) => void take(currentTarget)}
          />
        </label>
        {"mediaDevices" in navigator && (
          <button type="button" class="button" onClick={onCamera}>
            <Icon name="camera" size={16} /> Use a camera
          </button>
        )}
      </div>
    </section>
  );
}

function OpeningCard() {
  const { name, step, fraction, cancel } = opening.value ?? { name: "", step: "", fraction: undefined };
  return (
    <section class="drop-zone" aria-label="Opening" role="status">
      <Icon name="film" size={30} />
      <p class="drop-title">{name}</p>
      <progress aria-label={step} {...(fraction !== undefined && { value: fraction })} max={1} />
      <p class="muted number">{step}</p>
      <div class="bring-buttons">
        {cancel && (
          <button type="button" class="button" onClick={cancel}>
            Cancel
          </button>
        )}
      </div>
    </section>
  );
}
