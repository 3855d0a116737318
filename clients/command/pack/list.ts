/** `masklet pack list`: the packs that `masklet serve --pack` finds by name. */
import { printJson } from "../print-json.js";
import { type FoundPack, findPacks, packsFolder, readPackManifest } from "./find.js";

export interface PackArguments {
  data?: string;
  replace?: boolean;
  json?: boolean;
}

/** Unreadable packs are listed with the reason. */
export async function listPacks({ data, json }: PackArguments): Promise<void> {
  const packs = await Promise.all((await findPacks(data)).map(describePack));
  if (json) {
    printJson({ folder: packsFolder(data), packs });
    return;
  }
  for (const pack of packs) {
    process.stdout.write(`${describeLine(pack)}\n`);
  }
  process.stderr.write(`masklet pack add copies packs to ${packsFolder(data)}\n`);
}

async function describePack({ name, folder, isEmbedded }: FoundPack) {
  const place = { name, folder, embedded: isEmbedded };
  try {
    const { id, version, family, license, files, graphs, capabilities } = await readPackManifest(folder);
    const { text, exemplars, points, maskSeed } = capabilities;
    return {
      ...place,
      ...{ id, version, family, license },
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      models: graphs.map(({ role, file }) => ({
        ...{ role, file },
        bytes: files.find((one) => one.name === file)?.bytes ?? 0,
      })),
      capabilities: { text, exemplars, points, masks: maskSeed },
    };
  } catch (error) {
    return { ...place, problem: (error as Error).message };
  }
}

type Described = Awaited<ReturnType<typeof describePack>>;

/** `compact  0.1.0  17.0 MB  Apache-2.0  encode, text, …` */
function describeLine(pack: Described): string {
  if ("problem" in pack) return `${pack.name}  cannot be used: ${pack.problem}`;
  const { name, version, family, license, bytes, models } = pack;
  const roles = models.map(({ role }) => role).join(", ");
  return `${name}  ${version}  ${family}  ${(bytes / 1e6).toFixed(1)} MB  ${license}  ${roles}`;
}
