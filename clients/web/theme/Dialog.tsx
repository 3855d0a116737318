/** A modal dialog: the browser keeps the focus inside, closes it with Escape, and returns the focus afterwards. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import "./dialog.css";

export interface DialogProps {
  title: string;
  class?: string;
  /** Without a visible title; it remains the name of the dialog. */
  hidesTitle?: boolean;
  onClose(): void;
  children: ComponentChildren;
}

export function Dialog({ title, class: extra = "", hidesTitle = false, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${extra}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        // The ground around the dialog belongs to the element itself.
        if (event.target === element.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header class={hidesTitle ? "visually-hidden" : "dialog-head"}>
          <h2 id={id}>{title}</h2>
          {!hidesTitle && (
            <button type="button" class="button quiet icon" aria-label="Close" onClick={onClose}>
              <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
                <path d="M3 3l10 10M13 3L3 13" stroke="currentColor" stroke-width="1.6" fill="none" />
              </svg>
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
