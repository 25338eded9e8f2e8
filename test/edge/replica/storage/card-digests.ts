import { hash } from 'node:crypto';
import type { BucketDigest, DigestOf } from '../../../../edge/replica/storage/digests.ts';

const OWN = /^_(deleted|attachments|meta|rev)$/;

/** A digest over all of a card's fields, whatever their order. */
export const cardDigest: DigestOf = (document) => {
  const fields = Object.entries(document).filter(([name, value]) => !OWN.test(name) && value !== undefined);
  const text = JSON.stringify(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return {
    bucket: hash('md5', String(document['id']), 'buffer').readUInt8(0),
    hash: hash('md5', text, 'buffer').readBigUInt64BE(0),
  };
};

/** What the digests of these documents are, computed the plain way. */
export function digestsOf(documents: readonly object[]): readonly BucketDigest[] {
  const buckets = Array.from({ length: 256 }, () => ({ hash: 0n, count: 0 }));
  for (const document of documents) {
    const { bucket, hash: of } = cardDigest(document as Record<string, unknown>);
    const found = buckets[bucket];
    if (found === undefined) throw new Error('no such bucket');
    found.hash ^= of;
    found.count += 1;
  }
  return buckets;
}
