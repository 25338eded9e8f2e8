import type { Stage } from './stage.ts';

const HELD_MS = 20;
const PAUSE_MS = 60;

/** Presses keys, as QEMU names them, on the USB keyboard that was plugged in last. */
export async function press(stage: Stage, keys: readonly string[]): Promise<void> {
  for (const data of keys) {
    await stage.machine('send-key', { keys: [{ type: 'qcode', data }], 'hold-time': HELD_MS });
    await new Promise<void>((resolve) => setTimeout(resolve, PAUSE_MS)); // the key is let go of after its time
  }
}
