/**
 * Keys are secrets of owners. A key has 256 random bits, so it cannot be guessed and one SHA-256 is enough to store it: slow
 * hashes such as scrypt protect passwords that people choose. Text of any other form is never accepted, also when the file
 * contains its hash: a chosen password could be guessed.
 */
import { createHash, randomBytes } from "node:crypto";

const KEY_BYTES = 32;
/** `masklet_` and 32 bytes as base64url: programs that search for leaked secrets recognise the prefix. */
const KEY = /^masklet_[A-Za-z0-9_-]{43}$/;

export function createKey(): string {
  return `masklet_${randomBytes(KEY_BYTES).toString("base64url")}`;
}

/** SHA-256 of a key, 32 bytes; undefined for text that is no key. */
export function digestOf(text: string): Buffer | undefined {
  return KEY.test(text) ? createHash("sha256").update(text).digest() : undefined;
}
