import { CommandButton } from "../app/CommandButton.js";
import { Icon } from "../app/icons.js";
import type { OpenSession } from "../session/open-session.js";

/** After a correction: how many frames changed, the way to them, and the masks from before. */
export function CompareBar({ session }: { session: OpenSession }) {
  const { comparison, objects, shownFrame } = session;
  const id = comparison.objectId.value;
  const frames = comparison.changed.value;
  if (id === undefined || frames.length === 0) return null;
  const name = objects.value.find((object) => object.id === id)?.name ?? `Object ${id}`;
  const at = frames.indexOf(shownFrame.value);
  const place = at < 0 ? `${frames.length}` : `${at + 1} of ${frames.length}`;
  return (
    <div class="compare-bar" role="group" aria-label="Before and after the correction">
      <span class="number">
        {name}: {place} changed {frames.length === 1 ? "frame" : "frames"}
      </span>
      <CommandButton id="previous-changed" class="button quiet icon">
        <Icon name="previous" size={14} />
      </CommandButton>
      <CommandButton id="next-changed" class="button quiet icon">
        <Icon name="next" size={14} />
      </CommandButton>
      <CommandButton id="show-before" class="button" pressed={comparison.showsBefore.value}>
        {comparison.showsBefore.value ? "Before" : "After"}
      </CommandButton>
    </div>
  );
}
