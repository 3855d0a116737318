/** WebSocket subprotocol. A change that breaks clients changes the name. */
export const SUBPROTOCOL = "masklet.v1";

/** Where the server accepts WebSockets. */
export const SOCKET_PATH = "/v1";

/** Where the server accepts uploads. */
export const UPLOADS_PATH = "/v1/uploads";
