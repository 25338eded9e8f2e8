/** No input may hold the event loop for longer, ms of processor time. */
const SLICE_MAX_MS = 10;
const REPETITIONS = 3;

/** How many generated inputs a fuzz test takes: `ordinary` of them, or what STAMMKUNDE_FUZZ says, such as 1000000. */
export function fuzzInputs(ordinary = 20_000): number {
  return Number(process.env['STAMMKUNDE_FUZZ'] ?? ordinary);
}

/**
 * How long each of many inputs holds the thread: its processor time, so that other programs do not count. A garbage
 * collection or a compilation falls on whichever input comes then, so one that took too long is given again to a codec
 * just made, and judged by the shortest of three repetitions: what the codec needs, it needs each time.
 */
export class Slices {
  readonly #what: string;
  readonly #timeMs: (work: () => unknown) => number;
  #inputs = 0;
  #longestMs = 0;
  readonly #overLimit: { readonly input: string; readonly firstMs: number; readonly againMs: number }[] = [];

  constructor(what: string, timeMs: (work: () => unknown) => number = threadMs) {
    this.#what = what;
    this.#timeMs = timeMs;
  }

  /**
   * @param input shown where it takes too long
   * @param again the same work with a codec just made; absent: there is no codec that keeps anything
   */
  measure<T>(input: Uint8Array | string, work: () => T, again: () => unknown = work): T {
    const got: T[] = [];
    const firstMs = this.#timeMs(() => got.push(work()));
    this.#inputs += 1;
    this.#longestMs = Math.max(this.#longestMs, firstMs);
    if (firstMs > SLICE_MAX_MS) {
      const againMs = Math.min(...Array.from({ length: REPETITIONS }, () => this.#timeMs(again)));
      this.#overLimit.push({ input: shown(input), firstMs, againMs });
    }
    const [value] = got;
    return value as T; // it was pushed: what throws is thrown on
  }

  /** What took too long each time. */
  tooLong(): readonly string[] {
    return this.#overLimit
      .filter(({ againMs }) => againMs > SLICE_MAX_MS)
      .map(({ input, firstMs, againMs }) => `${ms(firstMs)}, again ${ms(againMs)}: ${input}`);
  }

  /** One line for people. */
  report(): string {
    const repeated = this.#overLimit.map(({ againMs }) => againMs);
    const over =
      repeated.length === 0
        ? `none over ${SLICE_MAX_MS} ms`
        : `${repeated.length} over ${SLICE_MAX_MS} ms, of which repeated ${this.tooLong().length}, ` +
          `the longest repetition ${ms(Math.max(...repeated))}`;
    return `${this.#what}: ${this.#inputs} slices, longest ${ms(this.#longestMs)}, ${over}`;
  }

  /** At the end of a long run (STAMMKUNDE_FUZZ): prints the figures. @throws Error where an input takes too long */
  conclude(): void {
    if (process.env['STAMMKUNDE_FUZZ'] === undefined) return;
    process.stderr.write(`${this.report()}\n`);
    const tooLong = this.tooLong();
    if (tooLong.length > 0) throw new Error(`${this.#what} takes too long:\n${tooLong.join('\n')}`);
  }
}

function threadMs(work: () => unknown): number {
  const began = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(began);
  return (user + system) / 1000;
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function shown(input: Uint8Array | string): string {
  const text = typeof input === 'string' ? JSON.stringify(input) : Buffer.from(input).toString('hex');
  return `${text.slice(0, 400)} (${input.length})`;
}
