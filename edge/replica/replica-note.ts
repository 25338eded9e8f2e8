import { hash } from 'node:crypto';
import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { FeedPosition } from '../../sync/contract/feed.ts';
import { InstantMs } from '../../sync/contract/ids.ts';
import { replicaSchemas } from './collections.ts';

/** Under this name the note stands in the replica's own file. */
export const NOTE_MARK = 'replica';

const Each = <T extends z.ZodType>(value: T) =>
  z.strictObject({ credentials: value, customers: value, offers: value, programme: value }).partial();

/**
 * What a till notes about its replica, in the replica's own file: note and documents are of the same moment, and a
 * poisoned base takes no claim.
 */
export const ReplicaNote = z.strictObject({
  owner: z.string().describe('Tenant and till it was loaded for'),
  generation: z.int().min(1).describe('Of which generation the file is: it must bear that name'),
  schema: z.string().describe('Of the documents; a file of another one is loaded anew'),
  caughtUpAt: InstantMs.nullable().describe('When it last held all the server had; null before'),
  positions: Each(FeedPosition).describe('Up to where each collection is complete'),
  verifiedAt: Each(InstantMs).describe('When each collection was last found to be what the server has'),
});
export type ReplicaNote = z.infer<typeof ReplicaNote>;

/** What the schemas of the documents come to: another program may have others. */
export function schemaFingerprint(): string {
  return hash('sha256', JSON.stringify(replicaSchemas), 'hex').slice(0, 16);
}

/** The note as it was written; undefined for one of another version of the program, or none. */
export function readNote(text: string | undefined): ReplicaNote | undefined {
  if (text === undefined) return undefined;
  try {
    return ReplicaNote.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * The note, where it is that of the file it was found in.
 * @throws StammkundeError REP_OUTDATED for one of another version of the program, or none · REP_FOREIGN for a file of
 *   another till, or one that bears another generation's name: somebody renamed it, or put it in another's place
 */
export function usableNote(
  note: ReplicaNote | undefined,
  { owner, generation, file }: { readonly owner: string; readonly generation: number; readonly file: string },
): ReplicaNote {
  if (note?.schema !== schemaFingerprint()) {
    throw new StammkundeError('REP_OUTDATED', `${file} was made by another version`);
  }
  if (note.owner !== owner) {
    throw new StammkundeError('REP_FOREIGN', `${file} belongs to ${note.owner}, not to ${owner}`);
  }
  if (note.generation !== generation) {
    throw new StammkundeError('REP_FOREIGN', `${file} is generation ${note.generation} under another name`);
  }
  return note;
}
