import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../foundation/clock.ts';
import type { Random } from '../foundation/random.ts';
import { appCodeHead, keyIdOf } from '../sync/contract/app-code/app-code.ts';
import { writeAppCode } from '../sync/contract/app-code/forms.ts';
import type { AppCodeForm } from '../sync/contract/app-code/forms.ts';
import { signAppCode } from '../sync/contract/app-code/signature.ts';
import type { GeneratedMember, Population } from './population.ts';

/** What stands before 32 bytes of private key in PKCS #8 (RFC 8410, 7). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const NONCE_BYTES = 4;
/** How long a code wants to be taken; the app shows the next one before that. */
const WINDOW_SECONDS = 60;
/** Where the demo's app would have its address; nobody is there (RFC 2606). */
const DEMO_APP_URL = 'HTTPS://APP.EXAMPLE/K/';

/** Of the demo's customers every so many have a phone, and not more than so many. */
const PHONE_EVERY = 10;
const PHONES_MAX = 50;

/**
 * The phone's side of the app code, as an app does it: the private key stays here, the public key is given to the
 * server once, and each code is made on the spot, without a network.
 */
export class Phone {
  readonly publicKey: string;
  readonly keyId: string;
  readonly #privateKey: KeyObject;
  readonly #tenant: string;
  readonly #clock: Clock;
  readonly #random: Random;

  /** @param privateKey 32 bytes (RFC 8032, 5.1.5). A real phone draws them at random and keeps them in its key store */
  constructor(
    privateKey: Uint8Array,
    ports: { readonly tenant: string; readonly clock: Clock; readonly random: Random },
  ) {
    this.#privateKey = createPrivateKey({
      key: Buffer.concat([PKCS8_ED25519, privateKey]),
      format: 'der',
      type: 'pkcs8',
    });
    // The last 32 bytes of an Ed25519 key in SPKI are the key itself (RFC 8410, 4).
    const raw = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
    this.publicKey = raw.toString('base64url');
    this.keyId = keyIdOf(raw);
    this.#tenant = ports.tenant;
    this.#clock = ports.clock;
    this.#random = ports.random;
  }

  /** A fresh code, in 82 bytes. Every call makes another one. */
  codeBytes(): Uint8Array {
    const head = appCodeHead({
      keyId: this.keyId,
      issuedAt: this.#clock.now(),
      windowSeconds: WINDOW_SECONDS,
      nonce: this.#random.bytes(NONCE_BYTES),
    });
    return signAppCode(this.#tenant, head, this.#privateKey);
  }

  /** A fresh code as the app puts it into a QR code. */
  code(form: AppCodeForm, url: string = DEMO_APP_URL): string {
    return writeAppCode(this.codeBytes(), form, url);
  }
}

/** The phone of the customer with an ordinal: the same key whenever it is asked for, so nothing has to be kept. For demos only. */
export function phoneOf(
  ordinal: number,
  ports: { readonly tenant: string; readonly clock: Clock; readonly random: Random },
): Phone {
  return new Phone(createHash('sha256').update(`demo phone ${ordinal}`).digest(), ports);
}

/** Customers of a population who have a phone: some of those in order, the first ones first. */
export function membersWithPhone(population: Population): readonly GeneratedMember[] {
  const members: GeneratedMember[] = [];
  for (let i = 0; i < population.size && members.length < PHONES_MAX; i += PHONE_EVERY) {
    const member = population.member(i);
    if (member.status === 'active') members.push(member);
  }
  return members;
}
