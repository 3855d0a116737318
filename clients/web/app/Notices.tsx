import { Icon } from "./icons.js";
import { dismiss, notices } from "./notices.js";

export function Notices() {
  return (
    <div class="notices" role="region" aria-label="Messages" aria-live="polite">
      {notices.value.map(({ id, kind, title, detail, action }) => (
        <div key={id} class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
          <div class="notice-text">
            <strong>{title}</strong>
            {detail && <p>{detail}</p>}
            {action && (
              <button
                type="button"
                class="button"
                onClick={() => {
                  dismiss(id);
                  action.run();
                }}
              >
                {action.title}
              </button>
            )}
          </div>
          <button type="button" class="button quiet icon" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
