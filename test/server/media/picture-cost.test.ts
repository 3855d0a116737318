import { describe, expect, test } from "vitest";
import { maxPicturePixels } from "../../../server/media/box/limits.js";
import { DEFAULT_MEDIA_LIMITS } from "../../../server/media/limits.js";
import { decoderPriority, readsNearbyFrames } from "../../../server/media/picture-cost.js";

const sized = (width: number, height: number) => ({
  maxPicturePixels: maxPicturePixels({ width, height }, DEFAULT_MEDIA_LIMITS.maxPixels),
});

describe("the priority of a decoder", () => {
  test.each([
    [16, 16],
    [1920, 1080],
    [4096, 2304],
    [8192, 4320],
  ])("is normal for a picture of %i x %i for which a user waits", (width, height) => {
    expect(decoderPriority({ urgent: true, ...sized(width, height) })).toBe("normal");
    expect(decoderPriority({ urgent: false, ...sized(width, height) })).toBe("low");
  });

  test("is low for pictures that take seconds", () => {
    expect(decoderPriority({ urgent: true, ...sized(16_000, 16_000) })).toBe("low");
  });
});

test.each([
  [16, 16, true],
  [4096, 2304, true],
  [8192, 4320, false],
  [16_000, 16_000, false],
])("the frames beside a requested one of %i x %i are read with it: %s", (width, height, expected) => {
  expect(readsNearbyFrames(sized(width, height))).toBe(expected);
});
