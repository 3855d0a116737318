import { activeSession, closeVideo, sessions } from "../session/sessions.js";
import { Icon } from "./icons.js";
import { messageOf } from "./message-of.js";
import { notify } from "./notices.js";

/** The open videos. Closing a tab leaves its session on the server, to be opened again. */
export function Tabs() {
  return (
    <nav class="tabs" aria-label="Open videos">
      {sessions.value.map((session) => (
        <span key={session.id} class={session === activeSession.value ? "tab active" : "tab"}>
          <button
            type="button"
            class="tab-name"
            aria-current={session === activeSession.value ? "page" : undefined}
            onClick={() => {
              activeSession.value = session;
            }}
          >
            {session.name.value}
          </button>
          <button
            type="button"
            class="tab-close"
            aria-label={`Close ${session.name.value}`}
            onClick={() => {
              closeVideo(session, false).catch((error) =>
                notify({ kind: "error", title: "Closing the video: failed", detail: messageOf(error) }),
              );
            }}
          >
            <Icon name="close" size={12} />
          </button>
        </span>
      ))}
      <button
        type="button"
        class="button quiet icon"
        aria-label="Open another video"
        title="Open another video"
        aria-pressed={activeSession.value === undefined}
        onClick={() => {
          activeSession.value = undefined;
        }}
      >
        <Icon name="plus" size={16} />
      </button>
    </nav>
  );
}
