/** A part of the session in the main process that undo restores. Saved states are immutable. */
export interface Revertible<State> {
  save(): State;
  restore(state: State): void;
}
