/**
 * Under which names the server answers. With DNS rebinding the name of an attacker's page resolves to this machine, and the
 * browser sends that name as the Host header. Addresses and `localhost` cannot be rebound.
 */
import { isIP } from "node:net";

export interface HostRules {
  /** Names under which this server is reached, in lower case. */
  ownNames: readonly string[];
  /** True: every name is admitted. */
  admitAllNames: boolean;
}

/**
 * @param allowedHosts the setting, of which `*` admits all names
 * @param host the setting, the address or name that the server listens on
 */
export function readHostRules(allowedHosts: readonly string[], host: string): HostRules {
  const names = [host, ...allowedHosts].filter((name) => name !== "*");
  return {
    ownNames: names.map((name) => name.toLowerCase().replace(/\.$/, "")),
    admitAllNames: allowedHosts.includes("*"),
  };
}

/**
 * @param authority a Host header, or the authority of a request target: a name or an address, with or without a port
 * @returns `malformed` for text of another form, `forbidden` for a name that is not one of the server
 */
export function hostProblem(authority: string, rules: HostRules): "malformed" | "forbidden" | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:@/?#\s[\]]+?)\.?)(?::\d{0,5})?$/.exec(authority);
  if (!match) return "malformed";
  const [, bracketed, name = ""] = match;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? undefined : "malformed";
  if (rules.admitAllNames || isIP(name) !== 0 || isOwnName(name, rules)) return undefined;
  return /^(?:.+\.)?localhost$/i.test(name) ? undefined : "forbidden";
}

/** True for the names of the settings; false for addresses and `localhost`. */
export function isOwnName(name: string, { ownNames }: Pick<HostRules, "ownNames">): boolean {
  return ownNames.includes(name.toLowerCase().replace(/\.$/, ""));
}
