/** WebSocket subprotocol; a change that breaks clients bumps it. */
export const SUBPROTOCOL = "masklet.v1";
