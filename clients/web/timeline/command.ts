/** An action of the page, for buttons, keys and the sheet of keys. */
export interface Command {
  id: string;
  title: string;
  group: "Bring" | "Point" | "Run" | "See" | "Mend" | "Keep" | "Take";
  /** `N`, `Shift+N`, `Ctrl+Z`, `F2`. */
  keys: readonly string[];
  enabled(): boolean;
  run(): void | Promise<void>;
}
