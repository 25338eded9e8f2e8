import { createHash } from 'node:crypto';

/** What every peer stores: a card as a till has it, some 200 bytes as JSON. */
export interface BenchDocument {
  /** Primary key: 43 characters of base64url, as a blind index. */
  readonly index: string;
  readonly kind: string;
  /** Indexed, where the peer has an index beside its primary key. */
  readonly customerId: string;
  readonly status: string;
  readonly validUntil: number | null;
  readonly points: number;
}

/** Every fifth customer has two cards. */
const CARDS_OF_FIVE = 6;

/**
 * Cards that are the same for the same number, so that processes of their own have the same data without passing it on.
 */
export class BenchDocuments {
  readonly size: number;
  /** Ordinals in the order of their keys: the order in which every peer loads fastest. */
  readonly #sorted: Uint32Array;

  constructor(size: number) {
    this.size = size;
    const keys = Array.from({ length: size }, (_, ordinal) => keyOf(ordinal));
    this.#sorted = Uint32Array.from(keys.keys()).sort((a, b) => ((keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1));
  }

  /** Pages in the order of the keys. */
  *pages(length: number): Generator<BenchDocument[]> {
    for (let from = 0; from < this.size; from += length) {
      yield Array.from(this.#sorted.subarray(from, from + length), (ordinal) => benchDocument(ordinal));
    }
  }
}

export function benchDocument(ordinal: number, points = 0): BenchDocument {
  return {
    index: keyOf(ordinal),
    kind: 'house',
    customerId: customerOf(ordinal),
    status: ordinal % 50 === 0 ? 'blocked' : 'active',
    validUntil: ordinal % 2 === 0 ? null : 1_900_000_000_000 + ordinal,
    points,
  };
}

export function keyOf(ordinal: number): string {
  return createHash('sha256').update(`card ${ordinal}`).digest('base64url');
}

function customerOf(ordinal: number): string {
  const [group, place] = [Math.floor(ordinal / CARDS_OF_FIVE), ordinal % CARDS_OF_FIVE];
  // The sixth card of a group is the second one of its first customer.
  const customer = group * (CARDS_OF_FIVE - 1) + (place % (CARDS_OF_FIVE - 1));
  const hex = createHash('md5').update(`customer ${customer}`).digest('hex');
  return [8, 12, 16, 20].reduceRight((text, at) => `${text.slice(0, at)}-${text.slice(at)}`, hex);
}
