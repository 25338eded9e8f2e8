import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { projectFile } from '../support/run-program.ts';
import { measureIdentification } from './identify.ts';
import type { IdentifyReport } from './identify.ts';
import { latencySvg } from './latency-svg.ts';

export const LATENCY_JSON = 'docs/latency.json';
export const LATENCY_SVG = 'docs/latency.svg';

/**
 * Runs the identify benchmark for several sizes, keeps the reports in docs/latency.json and draws them as
 * docs/latency.svg; sizes that were measured before and are not asked for stay as they are. Without sizes it only draws.
 */
export async function latencyBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: 'string', default: '1000,10000,100000,1000000' },
      scans: { type: 'string', default: '2000' },
      draw: { type: 'boolean', default: false },
      cache: { type: 'string', default: '.cache/bench' },
    },
  });
  const sizes = values.draw ? [] : values.sizes.split(',').map(Number);
  let reports = readLatency();
  for (const customers of sizes) {
    const report = await measureIdentification(customers, Number(values.scans), values.cache);
    process.stderr.write(`${JSON.stringify(report)}\n`);
    reports = [...reports.filter((other) => other.customers !== customers), report].toSorted(
      (a, b) => a.customers - b.customers,
    );
    writeFileSync(projectFile(LATENCY_JSON), `${JSON.stringify(reports, undefined, 2)}\n`);
  }
  writeFileSync(projectFile(LATENCY_SVG), latencySvg(reports));
}

/** The reports that are kept; none before the first run. */
export function readLatency(): readonly IdentifyReport[] {
  try {
    // Written by this very program.
    return JSON.parse(readFileSync(projectFile(LATENCY_JSON), 'utf8')) as readonly IdentifyReport[];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
