import { useEffect, useRef } from "preact/hooks";
import { FLAG, STATE } from "../timeline/lane-states.js";
import { frameSummary } from "../timeline/summary.js";
import { Icon } from "./icons.js";
import type { PanelModel, PanelObject } from "./panel-model.js";

/** One object: colour, name, score on the frame of the stage, and what can be done with it. */
export function ObjectRow(props: {
  model: PanelModel;
  object: PanelObject;
  isSelected: boolean;
  onSelect(event: MouseEvent | KeyboardEvent): void;
}) {
  const { model, object, isSelected, onSelect } = props;
  const { id, name, colour, hidden } = object;
  const isEditing = model.editing.value === id;
  const isNamesake = model.objects.value.some((other) => other.id !== id && other.name === name);
  return (
    <div
      class="object-row"
      role="row"
      aria-selected={isSelected}
      data-object={id}
      onClick={onSelect}
      onDblClick={() => {
        model.editing.value = id;
      }}
      tabIndex={0}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        event.stopPropagation();
        onSelect(event);
      }}
    >
      <span role="gridcell">
        <input
          type="color"
          class="object-colour"
          value={colour}
          aria-label={`Colour of ${name}`}
          title="Change the colour"
          onClick={(event) => event.stopPropagation()}
          onChange={(event) => model.setColour([id], event.currentTarget.value)}
        />
      </span>
      <span role="rowheader" class="object-name">
        {isEditing ? (
          <NameField model={model} id={id} name={name} />
        ) : (
          <span title={`${name}, object ${id} (F2 renames)`}>{name}</span>
        )}
        {isNamesake && <span class="object-id">#{id}</span>}
      </span>
      <Score model={model} object={object} />
      <span role="gridcell" class="object-actions">
        <LockButton model={model} object={object} />
        <IconButton
          icon={hidden ? "eye-off" : "eye"}
          label={hidden ? `Show ${name}` : `Hide ${name}`}
          hint="Alt + click: show only this one"
          pressed={hidden}
          run={({ altKey }) => (altKey ? model.solo([id]) : model.toggleHidden([id]))}
        />
        <IconButton icon="remove" label={`Remove ${name}`} run={() => model.remove([id])} />
      </span>
    </div>
  );
}

/** Only this part is rendered again while the person scrubs. */
function Score({ model, object }: { model: PanelModel; object: PanelObject }) {
  model.version.value;
  const frame = model.frame.value;
  const { states } = object;
  const isPresent = states.state[frame] === STATE.present;
  const isSuspect = ((states.flags[frame] ?? 0) & FLAG.suspect) !== 0;
  const text = isPresent ? ((states.score[frame] ?? 0) / 255).toFixed(2) : "–";
  return (
    <span
      role="gridcell"
      class={isSuspect ? "object-score suspect" : "object-score"}
      title={frameSummary(states, frame)}
    >
      {text}
    </span>
  );
}

function LockButton({ model, object }: { model: PanelModel; object: PanelObject }) {
  model.version.value;
  const isLocked = ((object.states.flags[model.frame.value] ?? 0) & FLAG.locked) !== 0;
  return (
    <IconButton
      icon={isLocked ? "lock" : "unlock"}
      label={`${isLocked ? "Unlock" : "Lock"} ${object.name} on this frame`}
      pressed={isLocked}
      run={() => model.toggleLock(object.id)}
    />
  );
}

function IconButton(props: {
  icon: Parameters<typeof Icon>[0]["name"];
  label: string;
  hint?: string;
  pressed?: boolean;
  run(event: MouseEvent): void;
}) {
  return (
    <button
      type="button"
      class="object-button"
      aria-label={props.label}
      aria-pressed={props.pressed}
      title={props.hint ? `${props.label} (${props.hint})` : props.label}
      onClick={(event) => {
        event.stopPropagation();
        props.run(event);
      }}
    >
      <Icon name={props.icon} />
    </button>
  );
}

function NameField({ model, id, name }: { model: PanelModel; id: number; name: string }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const close = (isKept: boolean) => {
    if (model.editing.value !== id) return;
    model.editing.value = undefined;
    const value = field.current?.value ?? name;
    if (isKept && value !== name) model.rename(id, value);
  };
  return (
    <input
      ref={field}
      class="object-name-field"
      defaultValue={name}
      maxLength={200}
      aria-label={`New name of ${name}`}
      onClick={(event) => event.stopPropagation()}
      onBlur={() => close(true)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter") close(true);
        if (event.key === "Escape") close(false);
      }}
    />
  );
}
