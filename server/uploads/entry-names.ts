/** Names of archive entries and form files. They order and label pictures; they are never paths on this server. */

/** Files with longer names are left out. */
const MAX_NAME_CHARS = 1024;
/** Longer names are shortened in answers and messages. */
const MAX_SHOWN_CHARS = 255;

/** A name with slashes only, without a leading `./`. Archives made on Windows may have backslashes. */
export function normalizeName(name: string): string {
  return name.replaceAll("\\", "/").replace(/^(\.\/+)+/, "");
}

/** Why a file of this normalized name is left out; undefined for an acceptable name. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "its name is empty";
  if (name.length > MAX_NAME_CHARS) return `its name has more than ${MAX_NAME_CHARS} characters`;
  if (/\p{Cc}/u.test(name)) return "its name contains control characters";
  const parts = name.split("/");
  if (name.startsWith("/") || /^[a-z]:/i.test(name) || parts.includes("..")) {
    return "its name leads outside the archive";
  }
  if (parts.some((part) => part.startsWith(".") || part === "__MACOSX")) return "a hidden file";
  return undefined;
}

/** A name for an answer or a message: well-formed Unicode, of bounded length. */
export function shownName(name: string): string {
  const shown = name.length > MAX_SHOWN_CHARS ? `${name.slice(0, MAX_SHOWN_CHARS - 1)}…` : name;
  return shown.replace(/\p{Surrogate}/gu, "\ufffd");
}
