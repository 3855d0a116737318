/** Writes small archives, also invalid ones, which libraries refuse to write. */
import { crc32, deflateRawSync, gzipSync } from "node:zlib";

export interface Entry {
  name: string;
  content: Uint8Array;
  /** ZIP: 0 stored, 8 deflated; others are not supported by servers. Default: 8. */
  method?: number;
  /** ZIP: the flag of encryption is set. */
  isEncrypted?: boolean;
  /** ZIP: the checksum is wrong. */
  isDamaged?: boolean;
  /** tar: `2` is a symbolic link. Default: `0`, a file. */
  type?: string;
}

/** A ZIP archive (APPNOTE.TXT of PKWARE). */
export function zip(entries: readonly Entry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, method = 8, isEncrypted = false, isDamaged = false } of entries) {
    const label = Buffer.from(name);
    const data = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const checksum = (crc32(content) ^ (isDamaged ? 1 : 0)) >>> 0;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE((isEncrypted ? 1 : 0) | 0x800, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(checksum, 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(label.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), common, label, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from("PK\x01\x02", "latin1"), Buffer.from([20, 3]), common, tail, label]),
    );
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

/** A tar archive (POSIX.1-1988 ustar). */
export function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, content, type = "0" }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write("0000644\x000000000\x000000000\x00", 100);
    header.write(`${(type === "0" ? content.length : 0).toString(8).padStart(11, "0")}\x00`, 124);
    header.write("00000000000\x00", 136);
    header.write("        ", 148);
    header.write(type, 156);
    if (type === "2") header.write("/etc/hostname", 157);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148);
    const body = type === "0" ? Buffer.from(content) : Buffer.alloc(0);
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export const tarGzip = (entries: readonly Entry[]): Buffer => gzipSync(tar(entries));

/** A body of `multipart/form-data` and its Content-Type. */
export function form(files: readonly Entry[]): { type: string; body: Buffer } {
  const boundary = "----masklet-conformance";
  const parts = files.flatMap(({ name, content }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    ),
    Buffer.from(content),
    Buffer.from("\r\n"),
  ]);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  };
}
