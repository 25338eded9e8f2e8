import { spawnSync } from 'node:child_process';
import type { TestContext } from 'vitest';

/** Leaves a test out where `strace` cannot watch a process; what is wrong with a trace is a failure. */
export function needStrace(context: TestContext): void {
  const tried = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']);
  if (tried.status !== 0) context.skip('strace is missing or not permitted');
}
