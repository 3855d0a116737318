/** Where the parts keep, take, help and theme join the page. */
import { isDark, theme, toggleTheme } from "../theme/theme.js";

/** Dialogs and invisible parts: one element each. */
export function Layers() {
  return null;
}

/** Buttons at the right of the top bar. */
export function TopBarTools() {
  void theme.value;
  return (
    <button
      type="button"
      class="button quiet icon"
      aria-label={isDark() ? "Light theme" : "Dark theme"}
      title={isDark() ? "Light theme" : "Dark theme"}
      onClick={toggleTheme}
    >
      <svg width="18" height="18" viewBox="0 0 20 20" aria-hidden="true">
        <circle cx="10" cy="10" r="6.5" fill="none" stroke="currentColor" stroke-width="1.6" />
        <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" fill="currentColor" />
      </svg>
    </button>
  );
}

/** On the page without a video: sessions to continue. */
export function EarlierWorkSlot() {
  return null;
}
