/** WebSocket subprotocol. A change that breaks clients changes the name. */
export const SUBPROTOCOL = "masklet.v1";

/** Where the server accepts WebSockets. */
export const SOCKET_PATH = "/v1";

/** Where the server accepts uploads. */
export const UPLOADS_PATH = "/v1/uploads";

/** Where the server accepts requests with one answer over HTTP. */
export const REQUEST_PATH = "/v1/handle_request";

/** Where the server accepts requests that are answered by a stream over HTTP. */
export const STREAM_REQUEST_PATH = "/v1/handle_stream_request";

/** Where the server accepts resumable uploads by the tus protocol. */
export const TUS_PATH = "/v1/uploads/tus";

/** Where the server lists the sessions of the owner. Below it are their times, bytes, pictures, results and exports. */
export const SESSIONS_PATH = "/v1/sessions";

/** Where the server lists the formats of exports. */
export const EXPORTS_PATH = "/v1/exports";

/** Where the server lists the formats of imports. */
export const IMPORTS_PATH = "/v1/imports";

/** Where the server lists, accepts and returns the files of saved sessions. */
export const SAVED_PATH = "/v1/saved";

/** Where the server lists the files that `start_session` can open. */
export const MEDIA_PATH = "/v1/media";
