import { readConfig } from "../config.js";
import { LIBRARY_OWNER } from "../session-owner.js";
import { createShares } from "../shares/shares.js";
import { createPictures, type OwnerPictures } from "./pictures.js";

let shared: OwnerPictures | undefined;

/** Decodes the pictures of programs without a server, such as the command line. The processes end when they have no work. */
export function defaultPictures(): OwnerPictures {
  if (!shared) {
    const limits = readConfig({}, {});
    const shares = createShares({ limits });
    shared = createPictures({ shares, maxBytes: limits.maxPictureBytesPerOwner }).of(LIBRARY_OWNER);
  }
  return shared;
}
