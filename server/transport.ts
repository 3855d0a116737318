/** The seam between a connection and whatever carries its messages. */
export interface Transport {
  /**
   * Resolves when it makes sense to send more: at once while the peer keeps up, later when it reads slowly, and when it
   * is gone. Never rejects.
   */
  send(text: string): Promise<void>;
  /** Stop and go on delivering messages; a few that are on their way may still come after a pause. */
  pause(): void;
  resume(): void;
}

/** What a transport delivers to. */
export interface TransportListener {
  onText(text: string): void;
  onBinary(): void;
  onClose(): void;
}
