import { createHash, timingSafeEqual } from 'node:crypto';
import { TillId } from '../../sync/contract/ids.ts';
import type { TenantId } from '../../sync/contract/ids.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import { SERVER_USER, serverToken, tillToken } from '../keys.ts';

/** Who is connected: the server, or a till by name. */
export type BrokerUser = { readonly kind: 'server' } | { readonly kind: 'till'; readonly till: TillId };

/** Who may do what at the embedded broker: a till with its own topics only, the server with all of the tenant's. */
export class BrokerAccess {
  readonly #secret: Uint8Array;
  readonly #tenant: TenantId;
  readonly #topics: Topics;
  readonly #root: string;

  constructor(secret: Uint8Array, tenant: TenantId) {
    this.#secret = secret;
    this.#tenant = tenant;
    this.#topics = topicsOf(tenant);
    this.#root = this.#topics.feedHead.slice(0, -'feed/head'.length);
  }

  /** Who it is, or undefined when the token is not theirs. */
  authenticate(username: string | undefined, password: Uint8Array | undefined): BrokerUser | undefined {
    if (username === undefined || password === undefined) return undefined;
    if (username === SERVER_USER) {
      return sameSecret(password, serverToken(this.#secret, this.#tenant)) ? { kind: 'server' } : undefined;
    }
    const till = TillId.safeParse(username);
    if (!till.success) return undefined;
    const expected = tillToken(this.#secret, this.#tenant, till.data);
    return sameSecret(password, expected) ? { kind: 'till', till: till.data } : undefined;
  }

  mayPublish(user: BrokerUser, topic: string): boolean {
    switch (user.kind) {
      case 'server':
        return topic.startsWith(this.#root);
      case 'till':
        return this.#topics.tillOf(topic) === user.till;
    }
  }

  maySubscribe(user: BrokerUser, filter: string): boolean {
    switch (user.kind) {
      case 'server':
        return filter.startsWith(this.#root);
      case 'till':
        return this.#readableBy(user.till).includes(filter) || filter === `${this.#root}feed/#`;
    }
  }

  /** Asked again for each message handed on, so that no subscription can outlive its permission. */
  mayReceive(user: BrokerUser, topic: string): boolean {
    return this.maySubscribe(user, topic);
  }

  #readableBy(till: TillId): readonly string[] {
    const topics = this.#topics;
    return [
      topics.receipt(till),
      topics.response(till),
      topics.command(till),
      topics.feedHead,
      topics.feedUrgent,
    ];
  }
}

/** Equal or not, in a time that says nothing about where they differ or how long they are. */
function sameSecret(given: Uint8Array, expected: string): boolean {
  const digest = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
