import { isMainThread } from 'node:worker_threads';

/**
 * Loaded before a program that a simulator starts (`node --import`). The simulator holds the other end of standard
 * input: when it is killed, which lets it say nothing, its children end as if they had been told to.
 *
 * JavaScript, so that Node.js need not load its stripper of types for this alone: a tenth of a second for a program that
 * is bundled, and again for its threads. Those load it too, and have no standard input of their own, which would look
 * like its end.
 */
if (isMainThread) {
  process.stdin.on('error', end);
  process.stdin.on('end', end);
  process.stdin.resume();
  // A pipe has `unref`, a file has not and needs none: neither may keep the program alive.
  if ('unref' in process.stdin) process.stdin.unref();
}

function end() {
  process.kill(process.pid, 'SIGTERM');
}
