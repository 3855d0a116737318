/** The key of a server with keys. It stays in this tab and in its reloads. */
import { signal } from "@preact/signals";

const PLACE = "masklet-key";

export const keyOfPage = signal<string | undefined>(sessionStorage.getItem(PLACE) ?? undefined);

export function keepKey(key: string | undefined): void {
  keyOfPage.value = key;
  if (key === undefined) sessionStorage.removeItem(PLACE);
  else sessionStorage.setItem(PLACE, key);
}
