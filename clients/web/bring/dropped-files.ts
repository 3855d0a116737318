/** The files of a drop, of folders without their sub-folders, as the server reads folders. */
export async function droppedFiles(transfer: DataTransfer): Promise<{ files: File[]; folder?: string }> {
  // The entries are valid only now, before the first await.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const [only] = entries;
  if (entries.length === 1 && only?.isDirectory) {
    return { files: await filesOf(only as FileSystemDirectoryEntry), folder: only.name };
  }
  return { files: [...transfer.files] };
}

async function filesOf(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  for (;;) {
    // A reader returns about a hundred entries at a time.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return files;
    for (const entry of entries) {
      if (!entry.isFile || entry.name.startsWith(".")) continue;
      files.push(
        await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)),
      );
    }
  }
}
