import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../foundation/log.ts';
import type { Log } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { AppCodeVerifier } from '../../../edge/app-code/app-code-verifier.ts';
import { CodeBook } from '../../../edge/app-code/code-book.ts';
import { TrustedTime } from '../../../edge/app-code/trusted-time.ts';
import { Phone } from '../../../simulator/phone.ts';
import { deviceIdentifier, readAppCode } from '../../../sync/contract/app-code/app-code.ts';
import type { AppCode } from '../../../sync/contract/app-code/app-code.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import type { CredentialDocument } from '../../../sync/contract/replica-documents.ts';
import type { ManualClock } from '../../support/manual-clock.ts';

const TENANT = 'kaufhaus';
const BOOK_KEY = Buffer.alloc(32, 9);
const CUSTOMER_ID = '018f0000-0000-7000-8000-000000000001';
const indexer = new BlindIndexer(Buffer.alloc(32, 3), TENANT);

/** A folder that is removed when the test has ended. */
export function temporaryFolder(onEnd: (remove: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-codes-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface BookOptions {
  readonly now?: number;
  readonly isFirstStart?: boolean;
  readonly seenMax?: number;
  readonly key?: Uint8Array;
  readonly log?: Log;
}

export function openBook(folder: string, options: BookOptions = {}): CodeBook {
  return CodeBook.open({
    file: join(folder, 'app-codes.db'),
    key: BOOK_KEY,
    now: 0,
    isFirstStart: true,
    log: silentLog,
    ...options,
  });
}

export function phone(clock: ManualClock, tenant = TENANT, seed = 1): Phone {
  return new Phone(Buffer.alloc(32, seed), { tenant, clock, random: new SeededRandom(seed) });
}

/** The code a phone shows at this moment. */
export function codeOf(from: Phone): AppCode {
  return codeIn(from.codeBytes());
}

export function codeIn(bytes: Uint8Array): AppCode {
  const read = readAppCode(bytes);
  if (!read.ok) throw new Error(read.fault);
  return read.code;
}

/** What the replica holds of a phone. */
export function enrolled(from: Phone, more: Partial<CredentialDocument> = {}): CredentialDocument {
  return {
    index: indexer.index('app', deviceIdentifier(from.keyId)),
    kind: 'app',
    customerId: CUSTOMER_ID,
    status: 'active',
    validUntil: null,
    publicKey: from.publicKey,
    ...more,
  };
}

/** A till's part of it, on a real file. */
export function openVerifier(
  folder: string,
  clock: ManualClock,
  options: BookOptions = {},
): { readonly verifier: AppCodeVerifier; readonly book: CodeBook; readonly time: TrustedTime } {
  const book = openBook(folder, options);
  const time = new TrustedTime(clock, book);
  return { verifier: new AppCodeVerifier({ tenant: TENANT, clock, time, book }), book, time };
}
