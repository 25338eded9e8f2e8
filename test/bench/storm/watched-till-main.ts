import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * The daemon with a watch on the event loop of the thread that serves: `watched-till-main.ts REPORT-FILE ARGUMENT …`. With
 * each SIGUSR2 the file gets what was seen since the last, and `nth` grows.
 */
const RESOLUTION_MS = 1;
const [reportFile = ''] = process.argv.splice(2, 1);
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
let nth = 0;

/** The histogram counts the rest between two looks with the delay. */
function delayMs(nanoseconds: number): number {
  return Math.max(0, Math.round(nanoseconds / 1_000) / 1_000 - RESOLUTION_MS);
}

process.on('SIGUSR2', () => {
  nth += 1;
  const { rss, heapUsed } = process.memoryUsage();
  const seen = {
    nth,
    p50Ms: delayMs(delay.percentile(50)),
    p99Ms: delayMs(delay.percentile(99)),
    maxMs: delayMs(delay.max),
    rssMb: Math.round(rss / 1e5) / 10,
    heapMb: Math.round(heapUsed / 1e5) / 10,
  };
  writeFileSync(`${reportFile}.new`, JSON.stringify(seen));
  renameSync(`${reportFile}.new`, reportFile);
  delay.reset();
});

await import('../../../edge/main.ts');
