/** A small RTSP server: one H.264 stream, made by ffmpeg, over the RTSP connection itself (RFC 2326, section 10.12). */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ffmpegPath } from "../../server/media/binaries.js";

export interface RtspServer extends AsyncDisposable {
  url: string;
  /** Ends the stream, as a camera that is switched off does. */
  stop(): void;
}

export async function startRtspServer(size = "160x120"): Promise<RtspServer> {
  const folder = mkdtempSync(join(tmpdir(), "masklet-rtsp-"));
  const packets = createSocket("udp4");
  packets.bind(0, "127.0.0.1");
  await once(packets, "listening");
  const sdp = join(folder, "stream.sdp");
  const source: ChildProcess = spawn(
    ffmpegPath(),
    [
      ...["-loglevel", "error", "-re", "-f", "lavfi", "-i", `testsrc2=s=${size}:r=10`],
      ...[
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "5",
      ],
      ...["-f", "rtp", "-sdp_file", sdp, `rtp://127.0.0.1:${packets.address().port}?pkt_size=1200`],
    ],
    { stdio: "ignore" },
  );
  while (!existsSync(sdp) || !readFileSync(sdp, "utf8").includes("m=video")) await delay(20);
  const description = readFileSync(sdp, "utf8").replace(/m=video \d+/, "m=video 0");

  const sockets = new Set<Socket>();
  const players = new Set<Socket>();
  packets.on("message", (packet) => {
    const frame = Buffer.concat([Buffer.of(0x24, 0, packet.length >> 8, packet.length & 255), packet]);
    for (const player of players) player.write(frame);
  });

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      players.delete(socket);
    });
    let pending = "";
    socket.on("data", (chunk) => {
      pending += chunk.toString("latin1");
      for (;;) {
        const end = pending.indexOf("\r\n\r\n");
        if (end < 0) return;
        const request = pending.slice(0, end);
        pending = pending.slice(end + 4);
        const method = request.slice(0, request.indexOf(" "));
        const sequence = /CSeq: *(\d+)/i.exec(request)?.[1] ?? "0";
        const answer = (headers: string[], body = "") =>
          socket.write([`RTSP/1.0 200 OK`, `CSeq: ${sequence}`, ...headers, "", body].join("\r\n"));
        if (method === "DESCRIBE")
          answer(
            ["Content-Type: application/sdp", `Content-Length: ${Buffer.byteLength(description)}`],
            description,
          );
        else if (method === "SETUP") answer(["Session: 1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"]);
        else if (method === "OPTIONS") answer(["Public: DESCRIBE, SETUP, PLAY, TEARDOWN"]);
        else answer(["Session: 1"]);
        if (method === "PLAY") players.add(socket);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const stop = () => {
    source.kill("SIGKILL");
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/stream`,
    stop,
    async [Symbol.asyncDispose]() {
      stop();
      server.close();
      packets.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
