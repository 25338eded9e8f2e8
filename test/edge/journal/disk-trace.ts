import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Random } from '../../../foundation/random.ts';
import type { FaultReport } from './fault-report.ts';

/** What a process did to the files of one folder, or told its parent, in order. */
export type DiskStep =
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly name: string; readonly length: number }
  | { readonly kind: 'sync'; readonly name: string }
  | { readonly kind: 'sync-folder' }
  | { readonly kind: 'rename' | 'link'; readonly name: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'said'; readonly report: FaultReport };

/** What `strace` has to write down for {@link readDiskTrace}. */
const TRACE_OPTIONS: readonly string[] =
  '-f -qq -y -xx -s 1000000 -e signal=none -e trace=pwrite64,fsync,fdatasync,ftruncate,rename,link,unlink,write'.split(
    ' ',
  );

// strace pads process ids of less than five digits.
const CALL = /^\d+ +(\w+)\((.*)\) += (-?\d+)/;
const unhex = (text: string): Buffer =>
  Buffer.from([...text.matchAll(/\\x([0-9a-f]{2})/g)].map(([, hex]) => hex ?? '').join(''), 'hex');

/**
 * Runs a program that is given a folder, and tells what it did to it.
 * @returns nothing where `strace` cannot watch
 */
export function traceChild(program: URL, folder: string): readonly DiskStep[] {
  const trace = `${folder}.trace`;
  spawnSync('strace', [...TRACE_OPTIONS, '-o', trace, process.execPath, program.pathname, folder]);
  const steps = existsSync(trace) ? readDiskTrace(readFileSync(trace, 'utf8'), folder) : [];
  rmSync(trace, { force: true });
  return steps;
}

/** Reads what `strace` wrote; calls that failed changed nothing. */
function readDiskTrace(text: string, folder: string): readonly DiskStep[] {
  const inFolder = (path: string): string | undefined =>
    path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : undefined;
  return text.split('\n').flatMap((line): readonly DiskStep[] => {
    const [, call, args = '', result] = CALL.exec(line) ?? [];
    if (call === undefined || Number(result) < 0) return [];
    const quoted = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex]) => unhex(hex ?? ''));
    const path = unhex(/^\d+<([^>]*)>/.exec(args)?.[1] ?? '').toString();
    const name = inFolder(path);
    const numbers = args.split(', ').map(Number);
    const [bytes] = quoted;
    switch (call) {
      case 'write':
        return args.startsWith('1<') && bytes !== undefined
          ? [{ kind: 'said', report: JSON.parse(bytes.toString()) as FaultReport }] // our own child's words
          : [];
      case 'pwrite64':
        return name === undefined || bytes === undefined
          ? []
          : [{ kind: 'write', name, offset: numbers.at(-1) ?? 0, bytes }];
      case 'ftruncate':
        return name === undefined ? [] : [{ kind: 'truncate', name, length: numbers.at(-1) ?? 0 }];
      case 'fsync':
      case 'fdatasync':
        if (path === folder) return [{ kind: 'sync-folder' }];
        return name === undefined ? [] : [{ kind: 'sync', name }];
      case 'rename':
      case 'link': {
        const [from, to] = quoted.map((each) => inFolder(each.toString()));
        return from === undefined || to === undefined ? [] : [{ kind: call, name: from, to }];
      }
      case 'unlink': {
        const gone = inFolder(bytes?.toString() ?? '');
        return gone === undefined ? [] : [{ kind: 'unlink', name: gone }];
      }
      default:
        return [];
    }
  });
}

type Change = { readonly offset: number; readonly bytes: Buffer } | { readonly length: number };

interface File {
  content: Buffer;
  /** As of the last sync. */
  durable: Buffer;
  /** Since the last sync. */
  pending: Change[];
}

/** Files by name. */
export type DiskState = ReadonlyMap<string, Buffer>;

/** A disk that can be looked at as it is when the process dies, or when the power goes. */
export class DiskModel {
  readonly #names = new Map<string, File>();
  #durableNames = new Map<string, File>();

  /** @param initial what is on the disk from the beginning */
  constructor(initial: DiskState = new Map()) {
    for (const [name, content] of initial) this.#names.set(name, { content, durable: content, pending: [] });
    this.#durableNames = new Map(this.#names);
  }

  take(step: DiskStep): void {
    switch (step.kind) {
      case 'write':
        this.#change(step.name, { offset: step.offset, bytes: step.bytes });
        return;
      case 'truncate':
        this.#change(step.name, { length: step.length });
        return;
      case 'sync': {
        const file = this.#names.get(step.name);
        if (file === undefined) return;
        file.durable = file.content;
        file.pending = [];
        return;
      }
      case 'sync-folder':
        this.#durableNames = new Map(this.#names);
        return;
      case 'link':
      case 'rename': {
        const file = this.#names.get(step.name);
        if (step.kind === 'rename') this.#names.delete(step.name);
        if (file !== undefined) this.#names.set(step.to, file);
        return;
      }
      case 'unlink':
        this.#names.delete(step.name);
        return;
      case 'said':
    }
  }

  /** The process dies: the kernel has all it was given. */
  killed(): DiskState {
    return new Map([...this.#names].map(([name, { content }]) => [name, content]));
  }

  /** The power goes, and what was not synced with it. */
  powerCut(): DiskState {
    return new Map([...this.#durableNames].map(([name, { durable }]) => [name, durable]));
  }

  /** The power goes while the disk was writing what it liked of what was not synced, some of it in part. */
  torn(random: Random): DiskState {
    const names = random.next() < 0.5 ? this.#names : this.#durableNames;
    return new Map(
      [...names].map(([name, { durable, pending }]): [string, Buffer] => {
        const written = pending.filter(() => random.next() < 0.5).map((change) => tear(change, random));
        return [name, written.reduce<Buffer>(apply, durable)];
      }),
    );
  }

  #change(name: string, change: Change): void {
    const file = this.#names.get(name) ?? { content: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] };
    file.content = apply(file.content, change);
    file.pending.push(change);
    this.#names.set(name, file);
  }
}

function apply(content: Buffer, change: Change): Buffer {
  if ('length' in change) return resized(content, change.length);
  const written = resized(content, Math.max(content.length, change.offset + change.bytes.length));
  change.bytes.copy(written, change.offset);
  return written;
}

function resized(content: Buffer, length: number): Buffer {
  const copy = Buffer.alloc(length);
  content.copy(copy);
  return copy;
}

function tear(change: Change, random: Random): Change {
  if ('length' in change || random.next() < 0.5) return change;
  return { ...change, bytes: change.bytes.subarray(0, Math.floor(random.next() * change.bytes.length)) };
}
