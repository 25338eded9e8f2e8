import type { Instant } from '../../foundation/clock.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';

/** The replica as an identification sees it: point reads that return at once, whatever else the replica is doing. */
export interface ReplicaView {
  credential(index: string): CredentialDocument | undefined;
  customer(id: string): CustomerDocument | undefined;
  /** When it last held all the server had; null before the first complete pull. */
  readonly caughtUpAt: Instant | null;
}
