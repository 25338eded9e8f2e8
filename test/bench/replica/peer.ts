import type { Closable } from '../../../foundation/lifecycle.ts';
import type { BenchDocument } from './bench-documents.ts';

/** A store of documents, as the benchmark uses each. What is synchronous in a peer stays synchronous. */
export interface Peer extends Closable {
  /** Adds documents that are not there yet, all of them in the peer's fastest way that keeps them. */
  bulkLoad(documents: readonly BenchDocument[]): void | Promise<void>;
  /** By primary key, as a JavaScript object. */
  lookup(index: string): unknown;
  /** All cards of a customer, through an index; absent where the peer has none. */
  cardsOf?(customerId: string): readonly unknown[] | Promise<readonly unknown[]>;
  /** Replaces one document, committed on its own. */
  update(document: BenchDocument): void | Promise<void>;
}

export interface PeerSetting {
  /** An empty folder that is the peer's alone. */
  readonly folder: string;
  /** 32 bytes, for those that encrypt. */
  readonly key: Uint8Array;
}

/** A peer that is not installed or cannot be started here. */
export interface MissingPeer {
  readonly missing: string;
}

export interface PeerKind {
  /** What it is and how it is set, for the table. */
  readonly label: string;
  /** What a commit of it survives. */
  readonly survives: string;
  /** Most documents it is given; it is compared at that size then, which the output says. */
  readonly documentsMax: number;
  open(setting: PeerSetting): Promise<Peer | MissingPeer>;
}
