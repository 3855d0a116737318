/** The theme: that of the system until a person chooses one; the choice is remembered in this browser. */
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const STORAGE_KEY = "masklet.theme";
const THEMES: readonly Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>(readTheme());

/** Applies the theme to the document, now and whenever it changes. Returns the function that ends this. */
export function applyTheme(root: HTMLElement = document.documentElement): () => void {
  return effect(() => {
    if (theme.value === "system") delete root.dataset.theme;
    else root.dataset.theme = theme.value;
  });
}

export function chooseTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem(STORAGE_KEY, next);
  } catch {
    // Storage is full or forbidden: the choice lasts until the page is closed.
  }
}

/** The other one of light and dark, whichever is displayed now. */
export function toggleTheme(): void {
  chooseTheme(isDark() ? "light" : "dark");
}

export function isDark(): boolean {
  if (theme.value !== "system") return theme.value === "dark";
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}

function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    return THEMES.find((one) => one === stored) ?? "system";
  } catch {
    return "system";
  }
}
