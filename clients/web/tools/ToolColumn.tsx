import { CommandButton } from "../app/CommandButton.js";
import { Icon } from "../app/icons.js";
import type { OpenSession } from "../session/open-session.js";
import { currentTool, TOOLS } from "./current-tool.js";

export function ToolColumn(_: { session: OpenSession }) {
  return (
    <div class="tool-column" role="toolbar" aria-label="Tools" aria-orientation="vertical">
      {TOOLS.map((tool) => (
        <CommandButton
          key={tool.id}
          id={`tool-${tool.id}`}
          class="button quiet tool-button"
          pressed={currentTool.value === tool}
        >
          <Icon name={tool.icon} size={20} />
        </CommandButton>
      ))}
      <span class="tool-line" />
      <CommandButton id="zoom-fit" class="button quiet tool-button">
        <Icon name="fit" size={20} />
      </CommandButton>
    </div>
  );
}
