// Goal: the virtual terminal ends a reading as a real one does when nobody holds a card out in time.
import { expect, test } from 'vitest';
import { commands } from '../../../../drivers/protocol/zvt/apdu.ts';
import { ZvtTerminalDialogue } from '../../../../simulator/readers/virtual-payment-terminal-zvt-dialogue.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { hex } from '../../hex.ts';

const SECONDS = 30;

function asked(): {
  readonly clock: ManualClock;
  readonly dialogue: ZvtTerminalDialogue;
  readonly said: string[];
} {
  const clock = new ManualClock();
  const said: string[] = [];
  const dialogue = new ZvtTerminalDialogue((apdu) => said.push(Buffer.from(apdu).toString('hex')), clock);
  dialogue.hear({ kind: 'apdu', command: commands.readCard, data: Uint8Array.of(SECONDS) });
  return { clock, dialogue, said };
}

test('it gives up after as many seconds as the register said, and not before', async () => {
  const { clock, said } = asked();
  await clock.advance(SECONDS * 1_000 - 1);
  expect(said).toEqual(['800000']);
  await clock.advance(1);
  expect(said).toEqual(['800000', '061e016c']);
  expect(clock.pending).toBe(0);
});

test('a card in time is read, and nothing is given up afterwards', async () => {
  const { clock, dialogue, said } = asked();
  await clock.advance(SECONDS * 1_000 - 1);
  dialogue.present({ pan: testPans[0] });
  expect(said[1]?.slice(0, 4)).toBe('040f');
  await clock.advance(SECONDS * 1_000);
  expect(said).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('asked again, it counts from then on; hung up on, it counts no more', async () => {
  const { clock, dialogue, said } = asked();
  await clock.advance(20_000);
  dialogue.hear({ kind: 'apdu', command: commands.readCard, data: Uint8Array.of(SECONDS) });
  await clock.advance(20_000);
  expect(said).toEqual(['800000', '800000']);
  dialogue.reset();
  await clock.advance(60_000);
  expect(said).toHaveLength(2);
});

test('told no time, it waits for as long as it takes', async () => {
  const { clock, dialogue } = asked();
  dialogue.hear({ kind: 'apdu', command: commands.readCard, data: hex('00') });
  expect(clock.pending).toBe(0);
});
