/** Where the parts keep, take, help and theme join the page. */
import { computed, signal } from "@preact/signals";
import { fetchFromServer } from "../connection/http.js";
import { HelpSheet } from "../help/HelpSheet.js";
import { createHints } from "../help/hints.js";
import { Palette } from "../help/Palette.js";
import { EarlierWork } from "../keep/EarlierWork.js";
import { KeepBanner, SaveLabel } from "../keep/KeepLayer.js";
import { autosaveOf, startKeeping } from "../keep/keeper.js";
import { OpenSaved } from "../keep/OpenSaved.js";
import type { OpenSession } from "../session/open-session.js";
import { activeSession } from "../session/sessions.js";
import { ExportDialog } from "../take/ExportDialog.js";
import { ImportDialog } from "../take/ImportDialog.js";
import { pickFile, saveBody } from "../take/save-file.js";
import type { TakeParts } from "../take/take-parts.js";
import { isDark, theme, toggleTheme } from "../theme/theme.js";
import { CommandButton } from "./CommandButton.js";
import { addCommands, COMMAND_GROUPS, type Command, commands, runCommand } from "./commands.js";

type Layer = "help" | "palette" | "export" | "import" | "open-saved";

const layer = signal<Layer | undefined>(undefined);
const close = () => {
  layer.value = undefined;
};
const show = (next: Layer) => () => {
  layer.value = next;
};

const hints = createHints(
  computed(() => {
    const session = activeSession.value;
    return {
      isVideoOpen: session !== undefined,
      numObjects: session?.objects.value.length ?? 0,
      hasRun: (session?.facts.value.num_stored_frames ?? 0) > 1,
    };
  }),
  localStorage,
);

async function downloadSession(session: OpenSession): Promise<void> {
  const name = `${session.name.peek().replace(/\.[^.]*$/, "")}.masklet`;
  const writer = await pickFile(name).catch((error) => {
    if ((error as Error).name === "AbortError") return "cancelled" as const;
    throw error;
  });
  if (writer === "cancelled") return;
  const savedId = await autosaveOf(session)?.saveNow();
  if (savedId === undefined) return;
  await saveBody(await fetchFromServer(`v1/saved/${savedId}`), name, writer, () => {});
}

/** Call it once. */
export function startLayers(): void {
  startKeeping();
  const hasVideo = () => activeSession.value !== undefined;
  const always = () => true;
  const own = (
    id: string,
    title: string,
    group: Command["group"],
    keys: readonly string[],
    enabled: () => boolean,
    run: Command["run"],
  ): Command => ({ id, title, group, keys, enabled, run });
  addCommands([
    own("help", "Show all keys", "See", ["?"], always, show("help")),
    own("palette", "Find a command", "See", ["Ctrl+K"], always, show("palette")),
    own("theme", "Light or dark theme", "See", [], always, toggleTheme),
    own("export", "Export", "Take", ["Ctrl+E"], hasVideo, show("export")),
    own("import", "Import annotations", "Take", ["Ctrl+I"], hasVideo, show("import")),
    own("save-file", "Download the session file", "Keep", ["Ctrl+S"], hasVideo, async () => {
      if (activeSession.peek()) await downloadSession(activeSession.peek() as OpenSession);
    }),
    own("open-saved", "Open a session file", "Keep", ["Ctrl+O"], always, show("open-saved")),
  ]);
}

function takeParts(session: OpenSession): TakeParts {
  return {
    request: fetchFromServer,
    sessionId: session.id,
    name: session.name.value,
    numFrames: session.video.num_frames,
    objects: session.objects.value,
    selected: session.selected.value,
    range: session.range.value,
    onSessionFile: () => runCommand("save-file"),
    onImported() {
      session.results.invalidate();
      void session.requests.refresh().then(session.readStored);
    },
  };
}

/** Dialogs and invisible parts: one element each. */
export function Layers() {
  const session = activeSession.value;
  const all = [...commands.value.values()];
  return (
    <>
      <KeepBanner />
      {layer.value === "help" && <HelpSheet commands={all} groups={COMMAND_GROUPS} onClose={close} />}
      {layer.value === "palette" && <Palette commands={all} run={runCommand} onClose={close} />}
      {layer.value === "open-saved" && <OpenSaved onClose={close} />}
      {session && layer.value === "export" && <ExportDialog parts={takeParts(session)} onClose={close} />}
      {session && layer.value === "import" && <ImportDialog parts={takeParts(session)} onClose={close} />}
    </>
  );
}

/** Below the objects: the next step for new users. */
export function HintBar() {
  const hint = hints.current.value;
  if (!hint) return null;
  return (
    <div class="hint" role="status">
      <span>{hint.text}</span>
      <button type="button" class="button quiet" onClick={() => hints.dismiss(hint.id)}>
        Got it
      </button>
    </div>
  );
}

/** Buttons at the right of the top bar. */
export function TopBarTools() {
  void theme.value;
  return (
    <>
      <SaveLabel />
      {activeSession.value && (
        <>
          <CommandButton id="import" class="button quiet" label="Import">
            Import
          </CommandButton>
          <CommandButton id="export" label="Export">
            Export
          </CommandButton>
        </>
      )}
      {!activeSession.value && (
        <button type="button" class="button quiet" onClick={show("open-saved")}>
          Open a session file
        </button>
      )}
      <button
        type="button"
        class="button quiet icon"
        aria-label="Keys"
        title="Keys (?)"
        onClick={show("help")}
      >
        ?
      </button>
      <button
        type="button"
        class="button quiet icon"
        aria-label={isDark() ? "Light theme" : "Dark theme"}
        title={isDark() ? "Light theme" : "Dark theme"}
        onClick={toggleTheme}
      >
        <svg width="18" height="18" viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="10" cy="10" r="6.5" fill="none" stroke="currentColor" stroke-width="1.6" />
          <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
        </svg>
      </button>
    </>
  );
}

/** On the page without a video: sessions to continue. */
export function EarlierWorkSlot() {
  return <EarlierWork />;
}
