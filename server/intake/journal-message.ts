import { StammkundeError } from '../../foundation/errors.ts';
import { JournalBatch } from '../../sync/contract/messages.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { decode, JOURNAL_LIMITS } from '../../sync/contract/wire.ts';

/**
 * The batch in a journal message.
 * @throws StammkundeError WIRE_MALFORMED · WIRE_TOO_NEW · WIRE_FOREIGN when it speaks for another till than its topic
 */
export function readJournalMessage(topics: Topics, topic: string, payload: Uint8Array): JournalBatch {
  const batch = decode(payload, JournalBatch, JOURNAL_LIMITS);
  assertOwnTopic(topics, topic, batch.till);
  for (const entry of batch.entries) {
    // What the database could not give back exactly as it was hashed must not get in: it knows one spelling of a UUID
    // and no text with NUL or half a surrogate pair.
    const exact =
      entry.id === entry.id.toLowerCase() && !entry.body.includes('\0') && entry.body.isWellFormed();
    if (!exact) throw new StammkundeError('WIRE_MALFORMED', `entry ${entry.seq} cannot be stored as it is`);
  }
  if (batch.incarnation !== batch.incarnation.toLowerCase()) {
    throw new StammkundeError('WIRE_MALFORMED', 'an incarnation is written in capitals');
  }
  return batch;
}

/**
 * The broker only lets a till publish on its own topics, so the topic says who really speaks.
 * @throws StammkundeError WIRE_FOREIGN
 */
export function assertOwnTopic(topics: Topics, topic: string, till: TillId): void {
  const sender = topics.tillOf(topic);
  if (sender !== till) {
    throw new StammkundeError('WIRE_FOREIGN', `a message of till ${sender ?? '?'} speaks for till ${till}`);
  }
}
