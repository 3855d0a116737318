/** Which cameras a client may name: those on hosts that the operator lists in the setting `cameraHosts`. */
import { ProtocolError, settingVariable } from "../../protocol/index.js";
import { isListedHost } from "../listed-hosts.js";

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
  if (isListedHost(url, cameraHosts)) return { protocol, url };
  const host = url.hostname.toLowerCase();
  throw new ProtocolError(
    "camera_forbidden",
    `${field}: the host ${host} is not in the server's setting cameraHosts (${settingVariable("cameraHosts")}).`,
    field,
  );
}
