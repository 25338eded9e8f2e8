import { isMainThread } from 'node:worker_threads';

/**
 * Loaded before a program that a simulator starts (`node --import`). The simulator holds the other end of standard
 * input: when it is killed, which lets it say nothing, its children end as if they had been told to.
 *
 * A program's threads load it too. They have no standard input of their own, which would look like its end.
 */
if (isMainThread) {
  process.stdin.on('error', end);
  process.stdin.on('end', end);
  process.stdin.resume();
  // A pipe has `unref`, a file has not and needs none: neither may keep the program alive.
  if ('unref' in process.stdin) process.stdin.unref();
}

function end(): void {
  process.kill(process.pid, 'SIGTERM');
}
