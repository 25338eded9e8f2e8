/** What Linux says when a program of the guest is ended for what it did, or the kernel itself stumbles. */
const FAULT =
  /segfault at |general protection|traps: |invalid opcode|double fault|Out of memory|oom-kill|kernel BUG|Oops|Call Trace|soft lockup|rcu.*stall/;

/** The lines of the guest's console that tell why a program of it ended, or stood still, though it was not at fault. */
export function kernelFaults(console: string): readonly string[] {
  return console.split('\n').filter((line) => /^\[ *\d+\.\d+\]/.test(line) && FAULT.test(line));
}
