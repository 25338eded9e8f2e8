import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Closable } from '../../../foundation/lifecycle.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import type { FilledTill } from '../cached-replica.ts';

export type StormOrder =
  | { readonly order: 'change'; readonly count: number }
  | { readonly order: 'reseed' }
  | { readonly order: 'compare'; readonly unseen: number };

export type StormReport =
  | { readonly said: 'ready'; readonly port: number; readonly password: string }
  /** Every collection was pulled to its end. */
  | { readonly said: 'pulled' }
  | { readonly said: 'compared' | 'repaired'; readonly collection: ReplicaCollection };

/** The server of a storm, a process of its own. */
export class StormServer implements Closable {
  /** Where the till connects. */
  readonly broker: { readonly port: number; readonly password: string };
  /** PEM of the key the till is to believe. */
  readonly publicKey: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #listeners = new Set<(report: StormReport) => void>();

  private constructor(
    child: ChildProcess,
    ended: Promise<unknown>,
    broker: StormServer['broker'],
    publicKey: string,
  ) {
    this.#child = child;
    this.#ended = ended;
    this.broker = broker;
    this.publicKey = publicKey;
    child.on('message', (message) => {
      // Only storm-server-main.ts of this same checkout writes to it.
      const report = message as StormReport;
      for (const listener of this.#listeners) listener(report);
    });
  }

  static async open(customers: number, till: FilledTill): Promise<StormServer> {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const signingKey = Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const program = fileURLToPath(new URL('./storm-server-main.ts', import.meta.url));
    const args = [String(customers), till.identifierKeyFile, signingKey.toString('base64url')];
    const child = fork(program, args, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const ready = await new Promise<StormReport>((resolve, reject) => {
      // As above.
      child.once('message', (message) => resolve(message as StormReport));
      child.once('exit', (code) => reject(new Error(`the server of the storm ended with ${code}`)));
    });
    if (ready.said !== 'ready') throw new Error('the server of the storm did not get ready');
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    return new StormServer(child, ended, { port: ready.port, password: ready.password }, pem);
  }

  order(order: StormOrder): void {
    this.#child.send(order);
  }

  /** Calls back with every report from now on; the returned function ends that. */
  listen(listener: (report: StormReport) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }
}
