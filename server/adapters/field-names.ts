/** Errors of the predictor name fields of PROTOCOL.md. A tool gets the names of its own request. */
import { ProtocolError } from "../../protocol/index.js";

/** Names in the requests of a tool by the names in PROTOCOL.md. */
export type FieldNames = Readonly<Record<string, string>>;

/** The error with the name of its field in the request of the tool; other values as they are. */
export function withFieldNames(error: unknown, names: FieldNames): unknown {
  if (!(error instanceof ProtocolError) || error.field === undefined) return error;
  const { code, message, field, retryAfterMs, limit, savedId } = error;
  const known = Object.keys(names).find(
    (name) => field === name || (/^[.[]/.test(field.slice(name.length)) && field.startsWith(name)),
  );
  if (known === undefined) return error;
  const renamed = names[known] + field.slice(known.length);
  const sentence = message.startsWith(`${field}:`) ? renamed + message.slice(field.length) : message;
  return new ProtocolError(code, sentence, renamed, {
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(limit !== undefined && { limit }),
    ...(savedId !== undefined && { savedId }),
  });
}
