/** Counts invalid keys per address. */
import { createHash, randomBytes } from "node:crypto";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import { ownerOfAddress } from "../session-owner.js";
import { holderOf } from "../shares/holder.js";

export interface FailedKeys {
  /**
   * Counts one invalid key.
   * @param address of the client
   * @returns undefined up to the limit of an address; beyond it, the time in ms after which its count starts again
   */
  count(address: string | undefined): Promise<number | undefined>;
}

/**
 * The limit bounds the work and the log lines of a client that tries keys. It does not protect the keys, which are too long to
 * be guessed. A valid key is accepted from every address, also from that of a program with an old key.
 */
export function createFailedKeys(): FailedKeys {
  const { value: points } = FIXED_LIMITS.failedKeysPerMinute;
  const limiter = new RateLimiterMemory({ points, duration: 60 });
  const salt = randomBytes(16);

  /** Addresses share 65,536 counts, which bounds the memory. The salt prevents that a client chooses whose count it shares. */
  function bucketOf(address: string | undefined): string {
    return createHash("sha256")
      .update(salt)
      .update(holderOf(ownerOfAddress(address)))
      .digest("hex")
      .slice(0, 4);
  }

  return {
    async count(address) {
      try {
        await limiter.consume(bucketOf(address));
        return undefined;
      } catch (refusal) {
        if (refusal instanceof RateLimiterRes) return refusal.msBeforeNext;
        throw refusal;
      }
    },
  };
}
