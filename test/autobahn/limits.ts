import type { MessageLimits } from "./cases-close.js";

/** The limits of messages that the server at `url` reports. */
export async function limitsOf(url: string): Promise<MessageLimits> {
  const address = new URL(url.replace(/^ws/, "http"));
  address.pathname = "/v1/handle_request";
  const answer = await fetch(address, { method: "POST", body: JSON.stringify({ type: "get_server" }) });
  const { limits } = (await answer.json()) as { limits: MessageLimits };
  return limits;
}
