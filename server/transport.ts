/** The seam between a connection and the socket that carries its messages. */
export interface Transport {
  /**
   * Sends one message: text as a string, binary as bytes, which must not change afterwards. Resolves when the sender
   * should continue: at once while the peer keeps up, later when it reads slowly, and when it disconnects. Never rejects.
   */
  send(data: string | Uint8Array): Promise<void>;
  /** Closes the socket after the messages that were sent before. */
  close(reason: { code: number; reason: string }): void;
  /** Stops the delivery of messages. A few that have arrived already may still follow. */
  pause(): void;
  resume(): void;
}

/** Receives what a transport delivers. */
export interface TransportListener {
  onText(text: string): void;
  onBinary(bytes: Uint8Array): void;
  onClose(): void;
}
