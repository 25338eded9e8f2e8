import { sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Instant } from '../../foundation/clock.ts';
import { TillId, InstantMs } from './ids.ts';
import { serverBodies } from './messages.ts';
import type { ServerBodyKind } from './messages.ts';
import { check, decode, encode, parseJson } from './wire.ts';

/** Addresses a statement to every till. */
export const ALL_TILLS = '*';

/** What travels: the exact text that was signed, and the signature. */
const SignedText = z.strictObject({ text: z.string().max(16 * 1024 * 1024), signature: z.base64url() });

/** What the text says around the body. */
const Statement = z.strictObject({
  to: z.union([TillId, z.literal(ALL_TILLS)]),
  kind: z.enum(['receipt', 'response', 'command', 'head', 'urgent']),
  version: z.int().min(1).describe('Grows with every message to the same addressee'),
  expiresAt: InstantMs,
  body: z.unknown(),
});

export interface ServerStatement<K extends ServerBodyKind> {
  /** A till, or {@link ALL_TILLS}. */
  readonly to: string;
  readonly kind: K;
  readonly version: number;
  readonly expiresAt: Instant;
  readonly body: z.infer<(typeof serverBodies)[K]>;
}

/** Ed25519 (RFC 8032) over the JSON text of the statement. */
export function signStatement<K extends ServerBodyKind>(
  statement: ServerStatement<K>,
  privateKey: KeyObject,
): Buffer {
  const text = JSON.stringify(statement);
  return encode({ text, signature: sign(null, Buffer.from(text), privateKey).toString('base64url') });
}

/**
 * The statement in a payload, when the server signed it, it is of this kind and addressed to `till` (or to all).
 * Whether its version is newer than the last obeyed is the caller's to check. Only commands expire: a receipt proves
 * itself by its hash, a response by its request, and a till with a wrong clock must still get both. Nor does an order to
 * wipe that names the journal that is meant: whoever has stolen a till must not keep its keys by setting its clock, and
 * a till enrolled anew has another journal.
 * @throws StammkundeError WIRE_MALFORMED · WIRE_TOO_NEW · WIRE_SIGNATURE · WIRE_FOREIGN · WIRE_EXPIRED
 */
export function verifyStatement<K extends ServerBodyKind>(
  payload: Uint8Array,
  expected: { readonly kind: K; readonly till: TillId; readonly publicKey: KeyObject; readonly now: Instant },
): ServerStatement<K> {
  const { text, signature } = decode(payload, SignedText);
  if (!verify(null, Buffer.from(text), expected.publicKey, Buffer.from(signature, 'base64url'))) {
    throw new StammkundeError(
      'WIRE_SIGNATURE',
      `a ${expected.kind} message does not carry the server's signature`,
    );
  }
  const statement = check(parseJson(text), Statement);
  if (statement.to !== ALL_TILLS && statement.to !== expected.till) {
    throw new StammkundeError('WIRE_FOREIGN', `a ${expected.kind} message is for till ${statement.to}`);
  }
  if (statement.kind !== expected.kind) {
    throw new StammkundeError(
      'WIRE_MALFORMED',
      `a ${statement.kind} message came where ${expected.kind} belongs`,
    );
  }
  // The union of bodies is narrowed by `kind`, which TypeScript cannot follow through the lookup table.
  const body = check(statement.body, serverBodies[expected.kind]) as ServerStatement<K>['body'];
  if (expected.kind === 'command' && statement.expiresAt < expected.now && !isWipeOfOneJournal(body)) {
    throw new StammkundeError('WIRE_EXPIRED', 'a command has expired');
  }
  return {
    to: statement.to,
    kind: expected.kind,
    version: statement.version,
    expiresAt: statement.expiresAt,
    body,
  };
}

function isWipeOfOneJournal(body: z.infer<(typeof serverBodies)[ServerBodyKind]>): boolean {
  return 'kind' in body && body.kind === 'wipe' && body.incarnation !== null;
}
