import { defaultName } from "../session/objects.js";
import type { OpenSession } from "../session/open-session.js";
import { CommandButton } from "./CommandButton.js";
import { Icon } from "./icons.js";

/** Playing, moving by frames, and running the tracker. */
export function Transport({ session }: { session: OpenSession }) {
  const { run, shownFrame, video, frameTimesUs, isPlaying } = session;
  const state = run.value;
  const time = (frameTimesUs[shownFrame.value] ?? 0) / 1e6;
  return (
    <div class="transport" role="toolbar" aria-label="Playback and tracking">
      <span class="top-group">
        <CommandButton id="previous-frame" class="button quiet icon">
          <Icon name="previous" />
        </CommandButton>
        <CommandButton id="play" class="button quiet icon" pressed={isPlaying.value}>
          <Icon name={isPlaying.value ? "pause" : "play"} />
        </CommandButton>
        <CommandButton id="next-frame" class="button quiet icon">
          <Icon name="next" />
        </CommandButton>
      </span>
      <span class="frame-label number" data-testid="frame-label">
        <strong style={{ minWidth: `${String(video.num_frames - 1).length}ch` }}>{shownFrame.value}</strong>
        <span class="muted">
          {" / "}
          {video.num_frames - 1}
        </span>
        <span class="muted time-label">{time.toFixed(3)} s</span>
      </span>
      <span class="top-space" />
      <RunLabel session={session} />
      {state.kind === "running" || state.kind === "stopping" ? (
        <CommandButton id="pause-run" class="button run-button">
          <Icon name="pause" size={16} /> Pause
        </CommandButton>
      ) : (
        <span class="run-group">
          {state.kind === "paused" && (
            <CommandButton id="resume-run" class="button run-button">
              <Icon name="play" size={16} /> Continue
            </CommandButton>
          )}
          <CommandButton id="recompute" class="button">
            <Icon name="recompute" size={16} /> Update
          </CommandButton>
          <CommandButton id="run-selected" class="button run-only" pressed={session.runsSelected.value}>
            {onlyText(session)}
          </CommandButton>
          <CommandButton id="run-backward" class="button icon">
            <Icon name="backward" size={16} />
          </CommandButton>
          <CommandButton id="run-to-here" class="button icon">
            <Icon name="toHere" size={16} />
          </CommandButton>
          <CommandButton id="run-forward" class="button icon">
            <Icon name="forward" size={16} />
          </CommandButton>
          <CommandButton id="run-both" class="button primary run-button">
            <Icon name="both" size={16} /> Track
          </CommandButton>
        </span>
      )}
    </div>
  );
}

/** Which objects the next run computes. */
function onlyText({ runsSelected, selected, objects }: OpenSession): string {
  if (!runsSelected.value) return "Only selected";
  const [id, ...others] = selected.value;
  if (id === undefined) return "Only: select an object";
  if (others.length > 0) return `Only ${others.length + 1} objects`;
  return `Only ${objects.value.find((object) => object.id === id)?.name ?? defaultName(id)}`;
}

function RunLabel({ session }: { session: OpenSession }) {
  const state = session.run.value;
  if (state.kind === "stopping")
    return (
      <span key="stopping" class="muted" role="status">
        Pausing…
      </span>
    );
  if (state.kind !== "running") return null;
  const { numDone, numFrames, frame } = state;
  return (
    <span key="running" class="run-label" role="status">
      <progress max={numFrames} value={numDone} aria-label="Tracking" />
      <span class="number" style={{ minWidth: `${15 + String(session.video.num_frames - 1).length}ch` }}>
        {state.plan.scope === "affected" ? "Updating" : "Tracking"} frame {frame}
      </span>
    </span>
  );
}
