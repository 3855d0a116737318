import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { rowWindow } from "../timeline/virtual-rows.js";
import { Icon } from "./icons.js";
import { ObjectRow } from "./ObjectRow.js";
import { type PanelModel, panelRows, selectBy } from "./panel-model.js";
import "./objects.css";

const ROW_PX = 34;

/** All objects of the video. Only the rows in view are in the document. */
export function ObjectPanel({ model }: { model: PanelModel }) {
  const filter = useSignal("");
  const scrollTop = useSignal(0);
  const viewportPx = useSignal(400);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = list.current as HTMLDivElement;
    const observer = new ResizeObserver(() => {
      viewportPx.value = element.clientHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const objects = model.objects.value;
  const selected = model.selected.value;
  const rows = panelRows(objects, model.concepts.value, filter.value);
  const shownIds = rows.flatMap((row) => (row.kind === "object" ? [row.object.id] : []));
  const { first, end, offsetPx, totalPx } = rowWindow(rows.length, ROW_PX, scrollTop.value, viewportPx.value);
  const select = (id: number, event: MouseEvent | KeyboardEvent) => {
    const mode = event.shiftKey ? "to" : event.ctrlKey || event.metaKey ? "toggle" : "one";
    model.selected.value = selectBy(selected, shownIds, id, mode);
  };

  return (
    <section class="objects" aria-label="Objects">
      <header class="objects-head">
        <h2>Objects</h2>
        <span class="objects-count">
          {selected.size > 1 ? `${selected.size} of ${objects.length} selected` : objects.length}
        </span>
      </header>
      {objects.length > 0 && (
        <input
          type="search"
          class="objects-filter"
          placeholder="Name, group or concept"
          aria-label="Filter objects"
          value={filter.value}
          onInput={(event) => {
            filter.value = event.currentTarget.value;
          }}
        />
      )}
      {objects.length > 0 && <GroupField model={model} ids={[...selected]} />}
      <div
        ref={list}
        class="objects-list"
        onScroll={(event) => {
          scrollTop.value = event.currentTarget.scrollTop;
        }}
      >
        {objects.length === 0 && (
          <p class="objects-empty">Click on something in the picture, draw a box, or type a phrase.</p>
        )}
        {objects.length > 0 && rows.length === 0 && <p class="objects-empty">No object fits the filter.</p>}
        {rows.length > 0 && (
          <div
            role="grid"
            aria-label="Objects"
            aria-rowcount={rows.length}
            aria-multiselectable="true"
            style={{ height: `${totalPx}px` }}
          >
            <div role="rowgroup" style={{ transform: `translateY(${offsetPx}px)` }}>
              {rows.slice(first, end).map((row) =>
                row.kind === "object" ? (
                  <ObjectRow
                    key={row.key}
                    model={model}
                    object={row.object}
                    isSelected={selected.has(row.object.id)}
                    onSelect={(event) => select(row.object.id, event)}
                  />
                ) : (
                  <div key={row.key} class="objects-section" role="row">
                    <span role="rowheader">
                      <button
                        type="button"
                        class="objects-section-name"
                        title={`Select all of ${row.title}`}
                        disabled={row.ids.length === 0}
                        onClick={() => {
                          model.selected.value = new Set(row.ids);
                        }}
                      >
                        {row.title}
                        {row.ids.length === 0 && <span class="objects-none"> · not found yet</span>}
                      </button>
                    </span>
                    <span role="gridcell" class="object-actions">
                      {row.ids.length > 0 && (
                        <button
                          type="button"
                          class="object-button"
                          aria-label={`Hide or show all of ${row.title}`}
                          title={`Hide or show all of ${row.title}`}
                          onClick={() => model.toggleHidden(row.ids)}
                        >
                          <Icon name="eye" />
                        </button>
                      )}
                      {row.concept !== undefined && (
                        <button
                          type="button"
                          class="object-button"
                          aria-label={removeConceptText(row.concept, row.ids.length)}
                          title={removeConceptText(row.concept, row.ids.length)}
                          onClick={() => model.removeConcept(row.concept as string)}
                        >
                          <Icon name="remove" />
                        </button>
                      )}
                    </span>
                  </div>
                ),
              )}
            </div>
          </div>
        )}
      </div>
    </section>
  );
}

const removeConceptText = (concept: string, numObjects: number) =>
  numObjects === 0 ? `Look for “${concept}” no more` : `Remove “${concept}” and its objects`;

/** The group of the selected objects. Without a selection it keeps its place, so that the list does not move. */
function GroupField({ model, ids }: { model: PanelModel; ids: readonly number[] }) {
  const groups = new Set(
    model.objects.value.filter(({ id }) => ids.includes(id)).map(({ group }) => group ?? ""),
  );
  const [only = ""] = groups.size === 1 ? groups : [];
  const known = [
    ...new Set(model.objects.value.flatMap(({ group }) => (group === undefined ? [] : [group]))),
  ];
  return (
    <label class="objects-group">
      Group
      <input
        key={`${ids.join()} ${only}`}
        list="object-groups"
        defaultValue={only}
        maxLength={200}
        disabled={ids.length === 0}
        placeholder={ids.length === 0 ? "of selected objects" : groups.size > 1 ? "several" : "none"}
        onChange={(event) => model.setGroup(ids, event.currentTarget.value)}
      />
      <datalist id="object-groups">
        {known.map((group) => (
          <option key={group} value={group} />
        ))}
      </datalist>
    </label>
  );
}
