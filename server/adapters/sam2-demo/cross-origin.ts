/** The page is served by another origin than its server. Which origins are admitted is a setting of the server. */
import type { MiddlewareHandler } from "hono";
import type { AppEnvironment } from "../../http/context.js";
import { failed } from "./operations.js";

/**
 * Allows the requests of the page, which are made with credentials. Pictures and videos can be embedded by pages of the same host
 * on another port only, so that other pages do not find out which files exist. A refused request to the GraphQL path gets a body
 * in the form of GraphQL, because the page shows nothing of another one.
 */
export function openToPages(graphqlPath: string): MiddlewareHandler<AppEnvironment> {
  return async (context, next) => {
    await next();
    if (context.res.status >= 400 && context.req.path === graphqlPath) await writeErrors(context);
    const { headers } = context.res;
    if (headers.has("access-control-allow-origin")) headers.set("access-control-allow-credentials", "true");
    headers.set("cross-origin-resource-policy", "same-site");
  };
}

async function writeErrors(context: Parameters<MiddlewareHandler<AppEnvironment>>[0]): Promise<void> {
  const body = (await context.res
    .clone()
    .json()
    .catch(() => undefined)) as { error?: { message: string; code: string } } | undefined;
  if (!body?.error) return;
  const { message, ...extensions } = body.error;
  const { status, headers } = context.res;
  const kept = new Headers(headers);
  kept.delete("content-length");
  context.res = new Response(JSON.stringify({ ...body, ...failed(message, extensions) }), {
    status,
    headers: kept,
  });
}
