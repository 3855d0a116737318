/** Writes the body of an answer into a file of the person: streamed where the browser can, else through a link. */

interface FileWriter {
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

interface PickerWindow {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<{
    createWritable(): Promise<FileWriter>;
  }>;
}

/**
 * Asks where to write, while the click still permits that. Undefined: the browser has no such dialog.
 * @throws DOMException AbortError when the person cancels.
 */
export async function pickFile(suggestedName: string): Promise<FileWriter | undefined> {
  const { showSaveFilePicker } = window as PickerWindow;
  if (!showSaveFilePicker) return undefined;
  const file = await showSaveFilePicker.call(window, { suggestedName });
  return file.createWritable();
}

/**
 * Saves the body. Without a `writer` the browser collects it and downloads it under `fileName`.
 * @throws what the body or the disk throws; then no complete file remains.
 */
export async function saveBody(
  response: Response,
  fileName: string,
  writer: FileWriter | undefined,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (writer) await writer.write(value);
      else parts.push(value);
      onBytes(bytes);
    }
    await writer?.close();
  } catch (error) {
    await writer?.abort().catch(() => {});
    await reader.cancel().catch(() => {});
    throw error;
  }
  if (!writer) downloadBlob(new Blob(parts), fileName);
}

export function downloadBlob(blob: Blob, fileName: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  // The download has its own reference by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
