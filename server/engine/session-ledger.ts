/** Which sessions the inference process holds, and which it took with it when it died. */
export interface SessionLedger {
  /** False when the session is open already. */
  open(sessionId: string): boolean;
  /** Forgets the session, open or lost; true when it was open. */
  close(sessionId: string): boolean;
  /** Marks every open session as lost and names them. */
  loseAll(): string[];
  /** True from the loss of a session until it is closed or opened again. */
  isLost(sessionId: string): boolean;
}

export function createSessionLedger(): SessionLedger {
  const open = new Set<string>();
  const lost = new Set<string>();
  return {
    open(sessionId) {
      if (open.has(sessionId)) return false;
      lost.delete(sessionId);
      open.add(sessionId);
      return true;
    },
    close(sessionId) {
      lost.delete(sessionId);
      return open.delete(sessionId);
    },
    loseAll() {
      const ids = [...open];
      for (const id of ids) lost.add(id);
      open.clear();
      return ids;
    },
    isLost: (sessionId) => lost.has(sessionId),
  };
}
