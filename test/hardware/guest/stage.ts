import { readdirSync, readFileSync } from 'node:fs';
import { asError } from '../../../foundation/errors.ts';
import { SystemClock, sleep } from '../../../foundation/clock.ts';
import { FromHost, LINE_NAME } from '../messages.ts';
import type { FromGuest } from '../messages.ts';
import { PolledFile } from './polled-file.ts';

const clock = new SystemClock();
const LOOK_EVERY_MS = 10;
const ANSWER_WITHIN_MS = 20_000;

/** A claim that did not hold; what comes after it in its scenario is not tried. */
class ClaimFailed extends Error {}

/** Where the scenarios are played: it tells the host how they go, and has the host's machine do things. */
export class Stage {
  readonly #line: PolledFile;
  readonly #answers = new Map<number, (answer: FromHost) => void>();
  #asked = 0;
  #begun = '';

  private constructor(path: string) {
    this.#line = new PolledFile(path, (bytes) => this.#hear(bytes.toString('utf8')));
  }

  /** @throws Error when the machine has no line to the host */
  static open(): Stage {
    const ports = '/sys/class/virtio-ports';
    const port = readdirSync(ports).find(
      (name) => readFileSync(`${ports}/${name}/name`, 'utf8').trim() === LINE_NAME,
    );
    if (port === undefined) throw new Error(`no line named ${LINE_NAME} to the host`);
    return new Stage(`/dev/${port}`);
  }

  async scenario(name: string, play: () => Promise<void>): Promise<void> {
    await this.#tell({ kind: 'scenario', name });
    try {
      await play();
    } catch (error) {
      if (error instanceof ClaimFailed) return;
      await this.#tell({ kind: 'claim', text: 'the scenario comes to its end', ms: 0, why: whyOf(error) });
    }
  }

  /** Tells whether something holds: it does when `check` does not throw. */
  async claim<T>(text: string, check: () => Promise<T> | T): Promise<T> {
    const sinceMs = clock.monotonicMs();
    try {
      const value = await check();
      await this.#tell({ kind: 'claim', text, ms: clock.monotonicMs() - sinceMs });
      return value;
    } catch (error) {
      await this.#tell({ kind: 'claim', text, ms: clock.monotonicMs() - sinceMs, why: whyOf(error) });
      throw new ClaimFailed(text, { cause: error });
    }
  }

  figure(text: string): Promise<void> {
    return this.#tell({ kind: 'figure', text });
  }

  leftOut(text: string): Promise<void> {
    return this.#tell({ kind: 'left-out', text });
  }

  end(): Promise<void> {
    return this.#tell({ kind: 'end' });
  }

  /** A command for QEMU. @throws Error when it could not be done */
  machine(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<void> {
    return this.#ask((id) => ({ kind: 'machine', id, command, with: { ...args } }));
  }

  /** Has the device behind the USB serial adapter send these bytes. */
  serial(bytes: Uint8Array): Promise<void> {
    return this.#ask((id) => ({ kind: 'serial', id, hex: Buffer.from(bytes).toString('hex') }));
  }

  async #ask(question: (id: number) => FromGuest): Promise<void> {
    this.#asked += 1;
    const id = this.#asked;
    let answer: FromHost | undefined;
    this.#answers.set(id, (said) => (answer = said));
    await this.#tell(question(id));
    const { why } = await eventually('the host to answer', () => answer, ANSWER_WITHIN_MS);
    this.#answers.delete(id);
    if (why !== undefined) throw new Error(why);
  }

  #tell(message: FromGuest): Promise<void> {
    return this.#line.write(Buffer.from(`${JSON.stringify(message)}\n`));
  }

  #hear(text: string): void {
    const lines = (this.#begun + text).split('\n');
    this.#begun = lines.pop() ?? '';
    for (const line of lines) {
      const answer = FromHost.parse(JSON.parse(line));
      this.#answers.get(answer.id)?.(answer);
    }
  }
}

/** Looks until `look` gives something. @throws Error naming `what` when it does not within `deadlineMs` */
export async function eventually<T>(
  what: string | (() => string),
  look: () => T | undefined | Promise<T | undefined>,
  deadlineMs: number,
): Promise<T> {
  const untilMs = clock.monotonicMs() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonicMs() > untilMs) {
      throw new Error(`waited ${deadlineMs} ms for ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(clock, LOOK_EVERY_MS);
  }
}

function whyOf(error: unknown): string {
  const { stack, message, cause } = asError(error);
  const at = (stack ?? message).split('\n').slice(0, 6).join('\n');
  return cause === undefined ? at : `${at}\ncaused by ${asError(cause).message}`;
}
