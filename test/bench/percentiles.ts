/** What a benchmark reports of a series of durations, in ms with microseconds. */
export interface Percentiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** Nearest-rank percentiles: each is a duration that was measured. NaN for an empty series. */
export function percentiles(durationsMs: readonly number[]): Percentiles {
  const sorted = Float64Array.from(durationsMs).sort();
  const at = (share: number): number =>
    round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN);
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
}

/** To whole microseconds: more digits would be noise. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
