/** Which containers use which volumes: their records say it. */
import { MiniError } from "../../ffi/errors.ts";
import { type ContainerRecord, RECORD_VERSION } from "../record.ts";

/** What is to be known of a container that uses a volume. */
export type User = Pick<ContainerRecord, "id" | "name">;

/**
 * The containers that use each volume, by its name, whether they run or not.
 *
 * It reads the records alone and clears up nothing: this is asked while things are cleared up.
 *
 * @param damage is told of each record that cannot be read.
 */
export function volumeUsers(root: string, damage: (sentence: string) => void): Map<string, User[]> {
  const users = new Map<string, User[]>();
  for (const id of containerIds(root)) {
    const record = readRecord(`${root}/containers/${id}/container.json`, damage);
    for (const name of new Set((record?.mounts ?? []).flatMap((mount) => mount.name ?? []))) {
      users.set(name, [...users.get(name) ?? [], { id, name: record!.name }]);
    }
  }
  return users;
}

/** The same, where one that is overlooked would lose its files. @throws {MiniError} when a record cannot be read. */
export function certainUsers(root: string): Map<string, User[]> {
  return volumeUsers(root, (sentence) => {
    throw new MiniError(`no volume can be removed, because ${sentence}`);
  });
}

function containerIds(root: string): string[] {
  try {
    // One that begins with a dot is being removed.
    return Array.from(Deno.readDirSync(`${root}/containers`), (entry) => entry.name).filter((n) => !n.startsWith("."));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A record; undefined for a container that is not written down yet, or is gone. */
function readRecord(path: string, damage: (sentence: string) => void): ContainerRecord | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  try {
    const record: ContainerRecord = JSON.parse(text);
    if (record.version === RECORD_VERSION && (record.mounts === undefined || Array.isArray(record.mounts))) {
      return record;
    }
  } catch {
    // told below
  }
  damage(`${path} is damaged, or of a newer mini`);
  return undefined;
}
