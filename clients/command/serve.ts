import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { ADAPTER_NAMES, readConfig, type ServerOptions } from "../../server/config.js";
import { type RunningServer, startServer } from "../../server/main.js";
import { dataOptions, userDataFolder } from "./data-folder.js";
import { CommandError, UsageError } from "./errors.js";
import { exitAfterFault } from "./faults.js";
import { onNpmEnd } from "./npm-parent.js";
import { resolvePack } from "./pack/find.js";
import { offerPage } from "./page.js";
import { printJson } from "./print-json.js";
import { onHangUp, onReloadSignal, onStopSignal } from "./signals.js";

/** The options as commander passes them. */
export interface ServeArguments {
  host?: string;
  port?: string;
  pack?: string;
  mediaRoot?: string[];
  keys?: string;
  insecure?: boolean;
  /** Names, separated by commas. */
  adapters?: string;
  /** A folder; true: that of the user. */
  data?: string | true;
  open?: boolean;
  json?: boolean;
}

/**
 * Runs a server until a signal ends it, or until the npm process ends that started it; resolves when it has stopped. An
 * exception that nothing catches ends the process with status 70.
 */
export async function serve(given: ServeArguments): Promise<void> {
  const options = await readServeOptions(given);
  const config = readConfig(options);
  let forget = () => {};
  const stopSignal = new Promise<void>((resolve) => {
    const forgetSignals = onStopSignal(resolve);
    const forgetNpm = onNpmEnd(resolve);
    forget = () => {
      forgetSignals();
      forgetNpm();
    };
  });
  const server = await start(options).catch((error) => {
    forget();
    throw error;
  });
  const forgetFaults = exitAfterFault(server);
  const { id, version, provider } = await server.predictor.ready;
  // Before the line below: a reader of that line may send the signal at once, which ends a process without a listener.
  const forgetReload = onReloadSignal(() => {
    // The engine logs an invalid pack and keeps the current one.
    server.predictor.reloadPack().then(
      (pack) =>
        process.stdout.write(`new sessions run on pack ${pack.id} ${pack.version} on ${pack.provider}\n`),
      () => {},
    );
  });
  const { reloadKeys } = server;
  const forgetHangUp = reloadKeys ? onHangUp(() => void reportKeys(reloadKeys())) : () => {};
  const roots = config.mediaRoots.map((root) => resolve(root));
  if (given.json) printJson({ url: server.url, pack: { id, version, provider }, media_roots: roots });
  else {
    process.stdout.write(
      `masklet serves ${server.url} (pack ${id} ${version} on ${provider}, media roots: ${roots.join(", ")})\n`,
    );
  }
  const drawing = new AbortController();
  const output = given.json ? process.stderr : process.stdout;
  await offerPage(server, config, { isOpened: given.open ?? false, output, signal: drawing.signal });
  await stopSignal;
  drawing.abort();
  forgetReload();
  forgetHangUp();
  await server.drain({
    onWait() {
      const seconds = Math.ceil(config.drainMs / 1000);
      process.stderr.write(
        `Waiting up to ${seconds} s for running requests; a second signal stops at once.\n`,
      );
    },
  });
  forgetFaults();
  forget();
}

/** The server logs keys that it cannot use, and keeps the current ones. */
async function reportKeys(reloaded: Promise<string>): Promise<void> {
  const summary = await reloaded.catch(() => undefined);
  if (summary !== undefined) process.stdout.write(`the server has ${summary}\n`);
}

async function readServeOptions(given: ServeArguments): Promise<ServerOptions> {
  const { host, port, pack, mediaRoot, keys, insecure, adapters, data } = given;
  for (const folder of mediaRoot ?? []) await requireFolder("--media-root", folder);
  return {
    // `serve` reports the start itself.
    ...(process.env.MASKLET_LOG_LEVEL === undefined && { logLevel: "warn" as const }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: parsePort(port) }),
    ...(pack !== undefined && {
      packDir: await resolvePack(pack, data === true ? undefined : data, "--pack"),
    }),
    ...(mediaRoot !== undefined && { mediaRoots: mediaRoot }),
    ...(keys !== undefined && { keysFile: keys }),
    ...(insecure !== undefined && { insecure }),
    ...(adapters !== undefined && { adapters: parseAdapters(adapters) }),
    ...(data !== undefined && (await dataOptions(data === true ? userDataFolder() : data, mediaRoot))),
  };
}

function parseAdapters(text: string): NonNullable<ServerOptions["adapters"]> {
  const names = text.split(",").map((name) => name.trim());
  const isKnown = (name: string) => ADAPTER_NAMES.some((known) => known === name);
  const unknown = names.find((name) => !isKnown(name));
  if (unknown === undefined) return names as NonNullable<ServerOptions["adapters"]>;
  throw new UsageError(
    `--adapters: expected names of ${ADAPTER_NAMES.join(", ")}, separated by commas, got "${unknown}".`,
  );
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65535) return port;
  throw new UsageError(`--port: expected a port from 0 (any free one) to 65535, got "${text}".`);
}

async function requireFolder(option: string, path: string): Promise<void> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts?.isDirectory()) throw new UsageError(`${option}: expected a folder, got "${path}".`);
}

async function start(options: ServerOptions): Promise<RunningServer> {
  try {
    return await startServer(options);
  } catch (error) {
    throw listenProblem(error) ?? error;
  }
}

/** A sentence for the errors of listening; undefined for other errors. */
function listenProblem(error: unknown): CommandError | undefined {
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  const cause = { cause: error };
  switch (code) {
    case "EADDRINUSE":
      return new CommandError(`Port ${port} of ${address} is taken; choose another with --port.`, cause);
    case "EACCES":
      return new CommandError(
        `Port ${port} needs rights that this user lacks; choose one from 1024 on.`,
        cause,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CommandError(
        `--host: this machine has no address ${address ?? ""}.`.replace(" .", "."),
        cause,
      );
    default:
      return undefined;
  }
}
