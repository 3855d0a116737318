import { Bring } from "../bring/Bring.js";
import { KeyPrompt, LinkLabel } from "../connection/LinkLabel.js";
import { ObjectPanel } from "../objects/ObjectPanel.js";
import { toolsOf } from "../session/active-tools.js";
import type { OpenSession } from "../session/open-session.js";
import { activeSession, sessions } from "../session/sessions.js";
import { Stage } from "../stage/Stage.js";
import { Timeline } from "../timeline/Timeline.js";
import { ToolColumn } from "../tools/ToolColumn.js";
import { CommandButton } from "./CommandButton.js";
import { Icon } from "./icons.js";
import { HintBar, Layers, TopBarTools } from "./layers.js";
import { Notices } from "./Notices.js";
import { Tabs } from "./Tabs.js";
import { Transport } from "./Transport.js";

export function App() {
  const session = activeSession.value;
  return (
    <div class={session ? "app" : "app empty"}>
      <header class="top-bar">
        <span class="brand">
          <img src="./icon.svg" alt="" width="22" height="22" />
          <span class="brand-name">masklet</span>
        </span>
        {sessions.value.length > 0 && <Tabs />}
        <span class="top-space" />
        {session && (
          <span class="top-group">
            <CommandButton id="undo" class="button quiet icon">
              <Icon name="undo" />
            </CommandButton>
            <CommandButton id="redo" class="button quiet icon">
              <Icon name="redo" />
            </CommandButton>
          </span>
        )}
        <TopBarTools />
        <LinkLabel />
      </header>
      {session ? <Workspace key={session.id} session={session} /> : <Bring />}
      {!session && <Notices />}
      <Layers />
      <KeyPrompt />
    </div>
  );
}

function Workspace({ session }: { session: OpenSession }) {
  const tools = toolsOf(session);
  return (
    <>
      <ToolColumn session={session} />
      <main class="stage-area" aria-label="Video">
        <Stage session={session} />
      </main>
      <aside class="side-panel" aria-label="Objects and messages">
        <ObjectPanel model={tools.panel} />
        <Notices />
        <HintBar />
      </aside>
      <section class="bottom-panel" aria-label="Time and tracking">
        <Transport session={session} />
        <div class="timeline-area">
          <Timeline model={tools.timeline} />
        </div>
      </section>
    </>
  );
}
