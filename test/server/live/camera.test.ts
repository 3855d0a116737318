import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import sharp from "sharp";
import { afterEach, describe, expect, it } from "vitest";
import { openCamera } from "../../../server/live/camera.js";
import { admitCamera } from "../../../server/live/camera-url.js";
import { ffmpegChildren } from "../../helpers/media.js";
import { startRtspServer } from "../../helpers/rtsp-server.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/video`;
}

const jpeg = (level: number) =>
  sharp({ create: { width: 32, height: 24, channels: 3, background: { r: level, g: level, b: level } } })
    .jpeg()
    .toBuffer();

const pictures = await Promise.all([20, 120, 220].map(jpeg));

function part(picture: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`),
    picture,
    Buffer.from("\r\n"),
  ]);
}

async function read(url: string, stallTimeoutMs = 20_000) {
  const found: Buffer[] = [];
  const camera = await openCamera({
    address: admitCamera(url, ["127.0.0.1"]),
    onPicture: (picture) => found.push(Buffer.from(picture)),
    stallTimeoutMs,
    maxPictureBytes: 1e6,
  });
  return { camera, found };
}

describe("a camera over HTTP", () => {
  it("delivers every JPEG of a multipart stream unchanged, then reports its end", async () => {
    const url = await serve((_request, response) => {
      response.setHeader("content-type", "multipart/x-mixed-replace; boundary=frame");
      for (const picture of pictures) response.write(part(picture));
      response.end();
    });
    const { camera, found } = await read(url);
    const reason = await camera.ended;
    expect(found.map((bytes) => bytes.toString("hex"))).toEqual(
      pictures.map((bytes) => bytes.toString("hex")),
    );
    expect(reason).toMatchObject({ code: "media_unreadable", message: "The camera ended its stream." });
    await expect.poll(ffmpegChildren).toEqual([]);
  });

  it("reports a camera that sends no picture, and ends its process", async () => {
    const url = await serve((_request, response) => {
      response.setHeader("content-type", "multipart/x-mixed-replace; boundary=frame");
      response.flushHeaders();
    });
    const { camera } = await read(url, 300);
    expect((await camera.ended).message).toBe("The camera sent no picture for 300 ms.");
    await expect.poll(ffmpegChildren).toEqual([]);
  });

  it("follows no redirect", async () => {
    let visits = 0;
    const secret = await serve((_request, response) => {
      visits++;
      response.end();
    });
    const url = await serve((_request, response) => {
      response.writeHead(302, { location: secret });
      response.end();
    });
    await expect(read(url)).rejects.toMatchObject({
      code: "media_unreadable",
      message: "The camera answered with the HTTP status 302; expected 200.",
    });
    expect(visits).toBe(0);
  });
});

describe("a camera over RTSP", () => {
  it("delivers pictures until it ends", async () => {
    await using server = await startRtspServer();
    const { camera, found } = await read(server.url);
    await expect.poll(() => found.length, { timeout: 20_000 }).toBeGreaterThan(2);
    const { width, height, format } = await sharp(found[0]).metadata();
    expect({ width, height, format }).toEqual({ width: 160, height: 120, format: "jpeg" });
    server.stop();
    expect((await camera.ended).message).toBe("The camera ended its stream.");
  });

  it("ends with its reader", async () => {
    await using server = await startRtspServer();
    const { camera, found } = await read(server.url);
    await expect.poll(() => found.length, { timeout: 20_000 }).toBeGreaterThan(0);
    await camera.close();
    const before = found.length;
    await expect(camera.ended).resolves.toBeInstanceOf(Error);
    expect(found.length).toBe(before);
  });
});
