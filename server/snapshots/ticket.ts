import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Instant } from '../../foundation/clock.ts';
import { TillId } from '../../sync/contract/ids.ts';
import type { TenantId } from '../../sync/contract/ids.ts';

/** How long a ticket lets a till download; it asks for another with the next offer. */
export const TICKET_VALID_MS = 3_600_000;

/**
 * Gives out and checks tickets for downloads: `{till}.{expiry}.{HMAC-SHA-256}`. They follow from the server's secret,
 * so any server takes what another gave out, and nothing is kept of them.
 */
export class Tickets {
  readonly #key: Buffer;

  constructor(secret: Uint8Array, tenant: TenantId) {
    this.#key = createHmac('sha256', secret).update(`snapshot-ticket/v1/${tenant}`).digest();
  }

  issue(till: TillId, now: Instant): { readonly ticket: string; readonly expiresAt: Instant } {
    const expiresAt = now + TICKET_VALID_MS;
    const claim = `${till}.${expiresAt}`;
    return { ticket: `${claim}.${this.#mac(claim).toString('base64url')}`, expiresAt };
  }

  /** The till a ticket was given to; undefined for one that is forged or has expired. */
  tillOf(ticket: string, now: Instant): TillId | undefined {
    const match = /^([^.]+)\.(\d{1,16})\.([\w-]{43})$/.exec(ticket);
    const [, name, expiry, shown] = match ?? [];
    if (name === undefined || expiry === undefined || shown === undefined) return undefined;
    const given = Buffer.from(shown, 'base64url');
    const expected = this.#mac(`${name}.${expiry}`);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return Number(expiry) > now ? TillId.safeParse(name).data : undefined;
  }

  #mac(claim: string): Buffer {
    return createHmac('sha256', this.#key).update(claim).digest();
  }
}
