/** Which cameras a client may name: those on hosts that the operator lists in the setting `cameraHosts`. */
import { ProtocolError, settingVariable } from "../../protocol/index.js";

export type CameraProtocol = "rtsp" | "http";

export interface CameraAddress {
  protocol: CameraProtocol;
  url: URL;
}

const PROTOCOLS: Readonly<Record<string, CameraProtocol>> = {
  "rtsp:": "rtsp",
  "http:": "http",
  "https:": "http",
};

/**
 * @param cameraHosts host names or addresses, each with or without a port; without one, every port of the host
 * @throws ProtocolError invalid_field for what is no URL of a camera, camera_forbidden for a host that is not listed. No
 * message contains the user name or the password of the URL.
 */
export function admitCamera(cameraUrl: string, cameraHosts: readonly string[]): CameraAddress {
  const field = "camera_url";
  const url = URL.canParse(cameraUrl) ? new URL(cameraUrl) : undefined;
  const protocol = url && PROTOCOLS[url.protocol];
  if (!url || !protocol || url.hostname === "") {
    const seen = url ? `the scheme ${JSON.stringify(url.protocol)}` : "text that is not a URL";
    throw new ProtocolError(
      "invalid_field",
      `${field}: expected rtsp://HOST/… or http(s)://HOST/…, got ${seen}`,
      field,
    );
  }
  const host = url.hostname.toLowerCase();
  const isListed = cameraHosts.some((listed) =>
    [host, `${host}:${portOf(url)}`].includes(listed.toLowerCase()),
  );
  if (isListed) return { protocol, url };
  throw new ProtocolError(
    "camera_forbidden",
    `${field}: the host ${host} is not in the server's setting cameraHosts (${settingVariable("cameraHosts")}).`,
    field,
  );
}

/** URLs of schemes that browsers do not know keep an upper-case host and have no default port. */
function portOf({ protocol, port }: URL): string {
  return port || { "rtsp:": "554", "http:": "80", "https:": "443" }[protocol] || "";
}
