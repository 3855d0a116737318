/** Assembles the snapshots whose parts arrive from the inference process. */
import type { SnapshotPart } from "./ipc.js";

export interface SnapshotTransfers {
  /**
   * @param call id of the call that asked for the snapshot
   * @returns the bytes, once all have arrived; they own their buffer
   */
  expect(call: number, length: number): Promise<Uint8Array>;
  add(part: SnapshotPart): void;
  /** Rejects the snapshots that have not arrived. */
  fail(reason: Error): void;
}

interface Arriving {
  bytes: Uint8Array;
  /** Bytes that have arrived. */
  arrived: number;
  resolve(bytes: Uint8Array): void;
  reject(reason: Error): void;
}

export function createSnapshotTransfers(): SnapshotTransfers {
  const arriving = new Map<number, Arriving>();
  return {
    expect(call, length) {
      const complete = new Promise<Uint8Array>((resolve, reject) => {
        arriving.set(call, { bytes: new Uint8Array(length), arrived: 0, resolve, reject });
      });
      // The caller may have lost interest when the process ends.
      complete.catch(() => {});
      return complete;
    },
    add({ snapshotOf, part }) {
      const snapshot = arriving.get(snapshotOf);
      if (!snapshot) return;
      snapshot.bytes.set(part, snapshot.arrived);
      snapshot.arrived += part.length;
      if (snapshot.arrived < snapshot.bytes.length) return;
      arriving.delete(snapshotOf);
      snapshot.resolve(snapshot.bytes);
    },
    fail(reason) {
      for (const { reject } of arriving.values()) reject(reason);
      arriving.clear();
    },
  };
}
