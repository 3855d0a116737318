import { describe, expect, test } from "vitest";
import { maxPicturePixels } from "../../../server/media/box/limits.js";
import { decoderPriority } from "../../../server/media/decoder-process.js";
import { DEFAULT_MEDIA_LIMITS } from "../../../server/media/limits.js";

describe("the priority of a decoder", () => {
  const priorityOf = (width: number, height: number, urgent: boolean) =>
    decoderPriority({
      urgent,
      maxPicturePixels: maxPicturePixels({ width, height }, DEFAULT_MEDIA_LIMITS.maxPixels),
    });

  test.each([
    [16, 16],
    [1920, 1080],
    [4096, 2304],
    [8192, 4320],
  ])("is normal for a picture of %i x %i for which a user waits", (width, height) => {
    expect(priorityOf(width, height, true)).toBe("normal");
    expect(priorityOf(width, height, false)).toBe("low");
  });

  test("is low for pictures that take seconds", () => {
    expect(priorityOf(16_000, 16_000, true)).toBe("low");
  });
});
