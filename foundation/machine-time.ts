import { uptime } from 'node:os';
import { anyMachineTime } from './clock.ts';
import type { MachineTime } from './clock.ts';

/** This machine's time, with what it slept. */
export const machineTime: MachineTime = { ...anyMachineTime, uptimeMs: () => uptime() * 1_000 };
