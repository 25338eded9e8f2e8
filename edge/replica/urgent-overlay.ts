import type { FeedPosition } from '../../sync/contract/feed.ts';
import { isBehind } from '../../sync/contract/feed.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';

/** Most urgent documents held at once of a kind; beyond it the oldest go, and the feed brings them a moment later. */
const OVERLAY_MAX = 10_000;

/** In place of a document: it was erased, and is to be as if it had never been. */
const GONE = Symbol('gone');

/**
 * Blocked cards, withdrawn consents and erasures that must hold before the feed brings them. They lie over the replica in memory
 * alone: writing them into the replicated collections would make RxDB take them for local edits and never update those
 * documents again. Each entry goes once the feed has passed its position, and does not come back later than that.
 */
export class UrgentOverlay {
  readonly #credentials = new Layer<CredentialDocument | typeof GONE>();
  readonly #customers = new Layer<CustomerDocument | typeof GONE>();

  apply(urgent: FeedUrgent): void {
    for (const document of urgent.credentials)
      this.#credentials.hold(document.index, document, urgent.position);
    for (const document of urgent.customers) this.#customers.hold(document.id, document, urgent.position);
    for (const index of urgent.erased?.credentials ?? [])
      this.#credentials.hold(index, GONE, urgent.position);
    for (const id of urgent.erased?.customers ?? []) this.#customers.hold(id, GONE, urgent.position);
  }

  credential(index: string): CredentialDocument | undefined {
    const held = this.#credentials.get(index);
    return held === GONE ? undefined : held;
  }

  customer(id: string): CustomerDocument | undefined {
    const held = this.#customers.get(id);
    return held === GONE ? undefined : held;
  }

  /** True for what was erased, whatever the replica still holds of it. */
  isGone(collection: 'credentials' | 'customers', key: string): boolean {
    return (collection === 'credentials' ? this.#credentials : this.#customers).get(key) === GONE;
  }

  /** The replica now serving holds all of a collection up to `position`, or an unknown part of it. */
  passed(collection: 'credentials' | 'customers', position: FeedPosition | undefined): void {
    const layer = collection === 'credentials' ? this.#credentials : this.#customers;
    layer.passed(position);
  }
}

class Layer<T> {
  readonly #held = new Map<string, { readonly position: FeedPosition; readonly document: T }>();
  #passed: FeedPosition | undefined;

  get(key: string): T | undefined {
    return this.#held.get(key)?.document;
  }

  hold(key: string, document: T, position: FeedPosition): void {
    if (!isBehind(this.#passed, position)) return;
    const held = this.#held.get(key);
    if (held?.position.epoch === position.epoch && isBehind(position, held.position)) return;
    this.#held.delete(key);
    this.#held.set(key, { position, document });
    if (this.#held.size <= OVERLAY_MAX) return;
    const oldest = this.#held.keys().next();
    if (oldest.done !== true) this.#held.delete(oldest.value);
  }

  passed(position: FeedPosition | undefined): void {
    this.#passed = position;
    if (position === undefined) return;
    for (const [key, entry] of this.#held) {
      if (entry.position.epoch !== position.epoch || !isBehind(position, entry.position)) {
        this.#held.delete(key);
      }
    }
  }
}
