import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Closable } from '../../../foundation/lifecycle.ts';
import { waitUntil } from '../../../simulator/wait-until.ts';
import { ports } from './workers-world.ts';

const READY = { clock: ports.clock, deadlineMs: 60_000, everyMs: 50, what: 'PostgreSQL' };

/** A PostgreSQL that syncs what it commits, on a socket of its own, which can be killed, copied and promoted. */
export class Cluster implements Closable {
  readonly folder: string;
  readonly url: string;
  readonly #bin: string;
  #child: ChildProcess | undefined;

  private constructor(bin: string) {
    this.#bin = bin;
    this.folder = mkdtempSync(join(tmpdir(), 'stammkunde-cluster-'));
    const { uid, gid } = account();
    if (uid !== undefined && gid !== undefined) chownSync(this.folder, uid, gid);
    this.url = `postgres://test@localhost/postgres?host=${encodeURIComponent(this.folder)}`;
  }

  /** A new one, running. @param bin folder of PostgreSQL's programs */
  static async open(bin: string): Promise<Cluster> {
    const cluster = new Cluster(bin);
    cluster.#run('initdb', ['-D', cluster.#data, '-U', 'test', '-A', 'trust', '-N', '--no-instructions']);
    await cluster.start();
    return cluster;
  }

  /** A running standby of this one. */
  async standby(): Promise<Cluster> {
    const standby = new Cluster(this.#bin);
    // -R writes how to follow; -X stream copies what is written meanwhile.
    standby.#run('pg_basebackup', [
      '-h',
      this.folder,
      '-U',
      'test',
      '-D',
      standby.#data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
    ]);
    await standby.start();
    return standby;
  }

  /** Resolves when it takes connections, after it has mended itself where it was killed. */
  async start(): Promise<void> {
    await waitUntil(async () => {
      // Those of the killed one that still run have to be gone first: it refuses to start until then.
      if (this.#isGone) {
        const settings = ['max_connections=60', 'shared_buffers=32MB', 'hot_standby=on'];
        this.#child = spawn(
          join(this.#bin, 'postgres'),
          ['-D', this.#data, '-k', this.folder, '-h', '', ...settings.flatMap((each) => ['-c', each])],
          this.#options,
        );
      }
      this.#run('pg_isready', ['-h', this.folder, '-U', 'test', '-t', '5']);
      return true;
    }, READY);
  }

  /** Makes a standby one that takes writes; resolves when it does. */
  promote(): void {
    this.#run('pg_ctl', ['promote', '-D', this.#data, '-w', '-s']);
  }

  /** `kill -9` of the process all others belong to. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Ends it in order, at once. */
  stop(): Promise<void> {
    return this.#end('SIGINT');
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  async #end(signal: 'SIGKILL' | 'SIGINT'): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.#isGone) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  #run(program: string, args: readonly string[]): void {
    execFileSync(join(this.#bin, program), args, this.#options);
  }

  get #isGone(): boolean {
    const child = this.#child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  get #options() {
    return { ...account(), cwd: this.folder, stdio: 'ignore' as const };
  }
}

/** An address behind which one PostgreSQL can take the place of another. */
export class DatabaseAddress implements Closable {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: Cluster;

  private constructor(server: Server, target: Cluster) {
    this.#server = server;
    this.#target = target;
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    this.url = `postgres://test@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`;
    server.on('connection', (near) => this.#carry(near, connect(join(this.#target.folder, '.s.PGSQL.5432'))));
  }

  static async of(target: Cluster): Promise<DatabaseAddress> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new DatabaseAddress(server, target);
  }

  /** From now on it is another one's; connections to the former end. */
  moveTo(target: Cluster): void {
    this.#target = target;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #carry(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

/** PostgreSQL refuses to run as root. */
function account(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
