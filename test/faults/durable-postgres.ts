import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { waitUntil } from '../../simulator/wait-until.ts';

const READY_DEADLINE_MS = 120_000;
/** Waits until its input ends, as it does when whoever started it is gone, and leaves nothing behind then. */
const WHEN_ALONE = 'read -r _; kill -INT "$0"; sleep 3; rm -rf "$1"';

/** A PostgreSQL that syncs what it commits, on a socket of its own, that can be killed and comes back with its data. */
export class DurablePostgres implements Closable {
  readonly url: string;
  readonly folder: string;
  readonly #bin: string;
  readonly #account: { readonly uid?: number; readonly gid?: number };
  readonly #clock: Clock;
  #child: ChildProcess | undefined;
  #whenAlone: ChildProcess | undefined;
  /** Whether the folder stays when it is closed. */
  keep = false;

  private constructor(bin: string, clock: Clock) {
    this.#bin = bin;
    this.#clock = clock;
    this.#account = unprivileged();
    this.folder = mkdtempSync(join(tmpdir(), 'stammkunde-faults-pg-'));
    const { uid, gid } = this.#account;
    if (uid !== undefined && gid !== undefined) chownSync(this.folder, uid, gid);
    this.url = `postgres://test@localhost/postgres?host=${encodeURIComponent(this.folder)}`;
  }

  /** @param settings such as `fsync=off` where it is only the speed that counts */
  static async open(bin: string, clock: Clock, settings: readonly string[] = []): Promise<DurablePostgres> {
    const postgres = new DurablePostgres(bin, clock);
    try {
      execFileSync(
        join(bin, 'initdb'),
        ['-D', postgres.#data, '-U', 'test', '-A', 'trust', '--no-instructions'],
        postgres.#options,
      );
      await postgres.start(settings);
      return postgres;
    } catch (error) {
      await postgres.close();
      throw error;
    }
  }

  /** Starts it, or starts it again; resolves when it takes connections. */
  async start(settings: readonly string[] = []): Promise<void> {
    const given = ['max_connections=80', 'shared_buffers=64MB', ...settings].flatMap((each) => ['-c', each]);
    await waitUntil(
      async () => {
        // Those of the killed one that still run have to be gone first: it refuses to start until then.
        if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) {
          this.#child = spawn(
            join(this.#bin, 'postgres'),
            ['-D', this.#data, '-k', this.folder, '-h', '', ...given],
            this.#options,
          );
          this.#endAfterUs(this.#child);
        }
        execFileSync(join(this.#bin, 'pg_isready'), ['-h', this.folder, '-U', 'test', '-t', '5'], {
          ...this.#options,
        });
        return true;
      },
      { clock: this.#clock, deadlineMs: READY_DEADLINE_MS, everyMs: 50, what: 'PostgreSQL' },
    );
  }

  /** `kill -9` of the one that all others belong to: they end as they notice. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async close(): Promise<void> {
    await this.#end('SIGINT');
    if (!this.keep) rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  /** PostgreSQL itself does not notice that its parent was killed. */
  #endAfterUs({ pid }: ChildProcess): void {
    this.#whenAlone?.kill('SIGKILL');
    this.#whenAlone = spawn('sh', ['-c', WHEN_ALONE, String(pid), this.folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#whenAlone.on('error', () => {});
    this.#whenAlone.unref();
  }

  async #end(signal: 'SIGKILL' | 'SIGINT'): Promise<void> {
    this.#whenAlone?.kill('SIGKILL');
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  get #options() {
    return { ...this.#account, cwd: this.folder, stdio: 'ignore' as const };
  }
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
