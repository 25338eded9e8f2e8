import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { CredentialDocument } from '../../sync/contract/replica-documents.ts';
import type { ReplicaView } from './replica-view.ts';

/** What the replica holds of a number, and the blind index of it to go on with. */
export interface FoundCredential {
  readonly index: BlindIndex;
  readonly held: CredentialDocument | undefined;
}

/**
 * Looks a number up under every key. While a key is being rotated the replica holds it under the newest, under the one
 * before, or under both; the newest form is the one the server keeps up to date. Read in this order none is missed that
 * is moved from one to the other meanwhile, because the older form goes long after the newer one has come.
 *
 * What is not held goes by its oldest index: the server can make all later ones of it, and none before.
 * @param forms the number's blind indexes, oldest first
 */
export function findCredential(
  replica: Pick<ReplicaView, 'credential'>,
  forms: readonly BlindIndex[],
): FoundCredential {
  for (const index of forms.toReversed()) {
    const held = replica.credential(index);
    if (held !== undefined) return { index, held };
  }
  return { index: forms[0] ?? '', held: undefined };
}
