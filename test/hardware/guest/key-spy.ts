import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { PolledFile } from './polled-file.ts';

/** Size of struct input_event, and where its type lies, on 64-bit machines (linux/input.h). */
const EVENT_BYTES = 24;
const TYPE_AT = 16;
const EV_KEY = 1;

/** Another program that reads every keyboard of the machine, as a desktop or a curious one would. */
export class KeySpy {
  readonly #files = new Map<string, PolledFile>();
  readonly #timer: NodeJS.Timeout;
  #keys = 0;

  constructor() {
    this.#look();
    this.#timer = setInterval(() => this.#look(), 50);
  }

  /** Keys pressed and let go of that it has seen. */
  get keys(): number {
    return this.#keys;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const file of this.#files.values()) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #look(): void {
    const nodes = eventNodes();
    for (const [node, file] of this.#files) {
      if (nodes.includes(node)) continue;
      file.close();
      this.#files.delete(node);
    }
    for (const node of nodes) {
      if (this.#files.has(node)) continue;
      try {
        this.#files.set(node, new PolledFile(`/dev/input/${node}`, (bytes) => this.#count(bytes)));
      } catch {
        continue; // gone again
      }
    }
  }

  #count(bytes: Buffer): void {
    for (let at = 0; at + EVENT_BYTES <= bytes.length; at += EVENT_BYTES) {
      if (bytes.readUInt16LE(at + TYPE_AT) === EV_KEY) this.#keys += 1;
    }
  }
}

/** Names such as `event3` of the input devices whose name holds `part`. */
export function eventNodes(part = ''): readonly string[] {
  if (!existsSync('/dev/input')) return [];
  return readdirSync('/dev/input').filter((node) => {
    if (!node.startsWith('event')) return false;
    try {
      return readFileSync(`/sys/class/input/${node}/device/name`, 'utf8').includes(part);
    } catch {
      return false; // gone again
    }
  });
}
