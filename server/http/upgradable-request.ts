import { IncomingMessage } from "node:http";

/**
 * A request of the HTTP server. When a server has a listener for "upgrade", Node emits that event for every request with
 * an Upgrade header, such as `Upgrade: h2c` of `curl --http2`, instead of "request". Node decides by the property
 * `upgrade`; here it is true for WebSockets only. Node 24.9 has the option `shouldUpgradeCallback` for this; earlier
 * versions have none.
 */
export class UpgradableRequest extends IncomingMessage {
  // No initial value: the constructor of IncomingMessage assigns `upgrade` before fields of this class exist.
  declare private hasUpgradeHeader: boolean;

  get upgrade(): boolean {
    if (!this.hasUpgradeHeader) return false;
    return this.method === "CONNECT" || this.headers.upgrade?.toLowerCase() === "websocket";
  }

  /** Node's parser assigns it before it adds the headers. */
  set upgrade(value: boolean | null) {
    this.hasUpgradeHeader = value === true;
  }
}
