import type { FeedPosition } from '../../sync/contract/feed.ts';
import { isBehind } from '../../sync/contract/feed.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';

/** Most urgent documents held at once; beyond it the oldest go, and the feed brings them a moment later. */
const OVERLAY_MAX = 10_000;

/**
 * Blocked cards and withdrawn consents that must hold before the feed brings them. They lie over the replica in memory
 * alone: writing them into the replicated collections would make RxDB take them for local edits and never update those
 * documents again. Each entry goes once the feed has passed its position.
 */
export class UrgentOverlay {
  readonly #credentials = new Map<
    string,
    { readonly position: FeedPosition; readonly document: CredentialDocument }
  >();
  readonly #customers = new Map<
    string,
    { readonly position: FeedPosition; readonly document: CustomerDocument }
  >();

  apply(urgent: FeedUrgent): void {
    for (const document of urgent.credentials)
      hold(this.#credentials, document.index, { position: urgent.position, document });
    for (const document of urgent.customers)
      hold(this.#customers, document.id, { position: urgent.position, document });
  }

  credential(index: string): CredentialDocument | undefined {
    return this.#credentials.get(index)?.document;
  }

  customer(id: string): CustomerDocument | undefined {
    return this.#customers.get(id)?.document;
  }

  /** Lets go of what the replica's own copy of a collection now has. */
  passed(collection: 'credentials' | 'customers', position: FeedPosition): void {
    const held = collection === 'credentials' ? this.#credentials : this.#customers;
    for (const [key, entry] of held) {
      if (entry.position.epoch !== position.epoch || !isBehind(position, entry.position)) held.delete(key);
    }
  }
}

function hold<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > OVERLAY_MAX) {
    const oldest = map.keys().next();
    if (oldest.done !== true) map.delete(oldest.value);
  }
}
