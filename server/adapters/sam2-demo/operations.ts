/** Runs GraphQL operations, and reads the two forms in which the page sends them: JSON, and a form with a file. */
import { type ExecutionResult, execute, type GraphQLError, parse, Source, validate } from "graphql";
import { z } from "zod";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import type { Logger } from "../../log.js";
import { withFieldNames } from "../field-names.js";
import { parseJson } from "../routes.js";
import type { Operation, ReceivedFile, Resolvers } from "./resolvers.js";
import { schema } from "./schema.js";

/** The longest document of the page has fewer than 60. */
const MAX_TOKENS = 1000;
const MAX_ERRORS = 5;

export const requestSchema = z.looseObject({
  query: z.string().min(1),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().nullish(),
});

export type GraphqlRequest = z.output<typeof requestSchema>;

/** An answer of GraphQL. Relay shows the messages of `errors` in the console. */
export interface GraphqlAnswer {
  data?: ExecutionResult["data"];
  errors?: { message: string; path?: readonly (string | number)[]; extensions?: object }[];
}

export const failed = (message: string, extensions?: object): GraphqlAnswer => ({
  data: null,
  errors: [{ message, ...(extensions && { extensions }) }],
});

/** Runs one operation. Failures are part of the answer. */
export async function runOperation(
  { query, variables, operationName }: GraphqlRequest,
  operation: Operation,
  resolvers: Resolvers,
  log: Logger,
): Promise<GraphqlAnswer> {
  let document: ReturnType<typeof parse>;
  try {
    document = parse(new Source(query), { maxTokens: MAX_TOKENS, noLocation: true });
  } catch (error) {
    return failed(`query: ${(error as Error).message}`);
  }
  const problems = validate(schema, document, undefined, { maxErrors: MAX_ERRORS });
  if (problems.length > 0)
    return { errors: problems.map(({ message }) => ({ message: `query: ${message}` })) };
  const { data, errors = [] } = await execute({
    ...{ schema, document },
    rootValue: resolvers,
    contextValue: operation,
    ...(variables && { variableValues: variables }),
    ...(operationName && { operationName }),
  });
  if (errors.length === 0) return { data: data ?? null };
  return { data: data ?? null, errors: errors.map((error) => describe(error, log)) };
}

/** Fields of the protocol as the operations of the page name them. */
const FIELDS = {
  ...{ frame_index: "frameIndex", obj_id: "objectId", point_labels: "labels", session_id: "sessionId" },
  ...{ resource_path: "path", upload_id: "path" },
};

/** An error of a resolver as PROTOCOL.md describes it; others are errors of the variables. */
function describe(error: GraphQLError, log: Logger): NonNullable<GraphqlAnswer["errors"]>[number] {
  const { message, path, originalError } = error;
  if (!originalError || originalError.name === "GraphQLError") return { message, ...(path && { path }) };
  const { message: sentence, ...extensions } = toProtocolError(
    withFieldNames(originalError, FIELDS),
    log,
  ).toBody();
  return { message: sentence, ...(path && { path }), extensions };
}

const mapSchema = z.object({
  map: z
    .record(z.string(), z.array(z.string()))
    .refine((map) => Object.values(map).flat().length === 1, { error: "expected one file for one variable" }),
});

/**
 * The operation of a form, by the GraphQL multipart request specification: the fields `operations` and `map`, then one file for
 * one variable.
 * @throws ProtocolError missing_field, malformed_json, invalid_field
 */
export function readFormOperation(fields: ReadonlyMap<string, string>, file: ReceivedFile): GraphqlRequest {
  const request = parseFields(requestSchema, parseJson(requireField(fields, "operations")));
  const { map } = parseFields(mapSchema, { map: parseJson(requireField(fields, "map")) });
  const [place = ""] = Object.values(map).flat();
  const name = /^variables\.(\w+)$/.exec(place)?.[1];
  if (name === undefined) {
    const message = `map: expected the place of one variable, such as variables.file, got ${JSON.stringify(place.slice(0, 100))}`;
    throw new ProtocolError("invalid_field", message, "map");
  }
  return { ...request, variables: { ...request.variables, [name]: file } };
}

function requireField(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value !== undefined) return value;
  throw new ProtocolError("missing_field", `${name}: expected a field of the form, before its file`, name);
}
