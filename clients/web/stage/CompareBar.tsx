import { CommandButton } from "../app/CommandButton.js";
import { countText } from "../app/count-text.js";
import { Icon } from "../app/icons.js";
import { defaultName } from "../session/objects.js";
import type { OpenSession } from "../session/open-session.js";

/** After a correction: how many frames changed, the way to them, and the masks from before. */
export function CompareBar({ session }: { session: OpenSession }) {
  const { comparison, objects, shownFrame } = session;
  const id = comparison.objectId.value;
  const frames = comparison.changed.value;
  if (id === undefined || frames.length === 0) return null;
  const name = objects.value.find((object) => object.id === id)?.name ?? defaultName(id);
  const at = frames.indexOf(shownFrame.value);
  return (
    <div class="compare-bar" role="group" aria-label="Before and after the correction">
      <span class="number">
        {name}:{" "}
        {at < 0 ? countText(frames.length, "changed frame") : `changed frame ${at + 1} of ${frames.length}`}
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
