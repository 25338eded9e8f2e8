import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Closable } from '../../foundation/lifecycle.ts';

/** Why tests with a Mosquitto are left out where {@link findMosquitto} finds none. */
export const NO_MOSQUITTO = 'no Mosquitto installed (apt-get install mosquitto)';

const USUAL_PATHS = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto'];

/** The path of an installed Mosquitto, or undefined. */
export function findMosquitto(): string | undefined {
  return USUAL_PATHS.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** How a Mosquitto is that nobody says more about: it lets everyone in, and keeps nothing. */
const OPEN: readonly string[] = ['allow_anonymous true', 'persistence false'];

/** A Mosquitto of one's own on loopback that can be killed and come back on the same port. */
export class TestMosquitto implements Closable {
  readonly port: number;
  readonly #program: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(program: string, port: number) {
    this.#program = program;
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), 'stammkunde-mosquitto-'));
  }

  /** @param settings lines of its configuration, given the folder it may write to */
  static async open(
    program: string,
    settings: (folder: string) => readonly string[] = () => OPEN,
  ): Promise<TestMosquitto> {
    const broker = new TestMosquitto(program, await freePort());
    const config = [
      `listener ${broker.port} 127.0.0.1`,
      ...settings(broker.#folder),
      // Started as root it would become somebody who cannot read that folder.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      'log_type none',
      '',
    ];
    writeFileSync(join(broker.#folder, 'mosquitto.conf'), config.join('\n'));
    await broker.start();
    return broker;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    this.#process = spawn(this.#program, ['-c', join(this.#folder, 'mosquitto.conf')], { stdio: 'ignore' });
    for (let attempt = 0; !(await answers(this.port)); attempt += 1) {
      if (attempt > 200 || this.#process.exitCode !== null) throw new Error('Mosquitto does not start');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Kills it, without a goodbye to anyone. */
  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      // A TCP server's address is an object; only pipes have a string.
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
