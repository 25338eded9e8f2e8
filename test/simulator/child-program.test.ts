import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { ChildProgram } from '../../simulator/child-program.ts';
import { KeptProgram } from '../../simulator/kept-program.ts';
import { openPty } from '../../drivers/transport/pty.ts';
import { ManualClock } from '../support/manual-clock.ts';

let opened = new Opened();
let folder = '';
beforeEach(async () => {
  opened = new Opened();
  folder = await mkdtemp(join(tmpdir(), 'stammkunde-child-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
});
afterEach(() => opened.close());

/** A program of this text, started as the shop starts its own. */
async function start(text: string, clock: Clock = new SystemClock()): Promise<ChildProgram> {
  const program = join(folder, 'program.mjs');
  await writeFile(program, text);
  return opened.add(
    ChildProgram.start({ name: 'program', program, args: [], logPath: join(folder, 'log'), clock }),
  );
}

async function untilSaid(program: ChildProgram, line: string): Promise<void> {
  await expect.poll(() => program.lastLines(), { timeout: 10_000 }).toContain(line);
}

const RUNS = 'setInterval(() => {}, 1000); console.log("up");';

test('a program that is closed ends by SIGTERM', async () => {
  const program = await start(RUNS);
  await untilSaid(program, 'up');
  await program.close();
  expect(program.ending).toEqual({ code: null, signal: 'SIGTERM' });
});

test('one that does not listen is killed when its time is up', async () => {
  const clock = new ManualClock();
  const program = await start(`process.on("SIGTERM", () => console.log("no")); ${RUNS}`, clock);
  await untilSaid(program, 'up');
  const closed = program.close();
  await untilSaid(program, 'no');
  await clock.advance(10_000);
  await closed;
  expect(program.ending?.signal).toBe('SIGKILL');
});

test('one that died is reported with its exit code and last lines', async () => {
  const program = await start('console.log("about to fail"); process.exit(3);');
  const text = await program.obituary();
  expect(text).toContain('program ended with exit code 3');
  expect(text).toContain('    about to fail');
});

test('when the simulator is killed, its programs end too', async () => {
  const program = join(folder, 'program.mjs');
  await writeFile(
    program,
    `${RUNS} process.on("SIGTERM", () => { console.log("ending"); process.exit(0); });`,
  );
  const simulator = join(folder, 'simulator.mjs');
  const module = new URL('../../simulator/child-program.ts', import.meta.url).href;
  const clock = new URL('../../foundation/clock.ts', import.meta.url).href;
  await writeFile(
    simulator,
    `import { ChildProgram } from ${JSON.stringify(module)};
     import { SystemClock } from ${JSON.stringify(clock)};
     const child = ChildProgram.start({ name: 'program', program: ${JSON.stringify(program)}, args: [],
       logPath: ${JSON.stringify(join(folder, 'log'))}, clock: new SystemClock() });
     setTimeout(() => console.log(child.pid), 500);`,
  );
  const parent = spawn(process.execPath, [simulator], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  parent.kill('SIGKILL');
  const isGone = (): boolean => {
    try {
      process.kill(Number(pid), 0);
      return false;
    } catch {
      return true;
    }
  };
  await expect.poll(isGone, { timeout: 10_000 }).toBe(true);
});

test('a program kept is started again after a second, and given up when it never stays', async () => {
  const clock = new ManualClock();
  const program = join(folder, 'program.mjs');
  await writeFile(program, 'process.exit(1);');
  const said: string[] = [];
  let starts = 0;
  const kept = opened.add(
    new KeptProgram(
      () => {
        starts += 1;
        return ChildProgram.start({
          name: 'program',
          program,
          args: [],
          logPath: join(folder, 'log'),
          clock,
        });
      },
      { revive: true, clock, say: (line) => said.push(line) },
    ),
  );
  for (let revival = 1; revival <= 5; revival += 1) {
    await expect.poll(() => said.length, { timeout: 10_000 }).toBe(revival);
    await clock.advance(1_000);
  }
  expect(await kept.failed).toContain('program ended with exit code 1');
  expect(starts).toBe(6);
});

test('a program kept that is closed is not started again', async () => {
  const program = join(folder, 'program.mjs');
  await writeFile(program, RUNS);
  const said: string[] = [];
  const kept = new KeptProgram(
    () =>
      ChildProgram.start({
        name: 'program',
        program,
        args: [],
        logPath: join(folder, 'log'),
        clock: new SystemClock(),
      }),
    { revive: true, clock: new SystemClock(), say: (line) => said.push(line) },
  );
  await kept.close();
  expect(kept.current.ending).toBeDefined();
  expect(said).toEqual([]);
});

test('a child holds no scanner’s cable: pulling it is noticed at once', async () => {
  const pty = opened.add(await openPty());
  const program = await start(`
    import { readdirSync, readlinkSync } from 'node:fs';
    for (const fd of readdirSync('/proc/self/fd')) {
      try { console.log(fd, readlinkSync('/proc/self/fd/' + fd)); } catch {}
    }
    console.log('listed');`);
  await untilSaid(program, 'listed');
  expect((await program.lastLines()).join('\n')).not.toMatch(/ptmx|\/dev\/pts/);
  expect(pty.path).toMatch(/^\/dev\//);
});
