import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { Command } from '../../sync/contract/messages.ts';
import { signStatement } from '../../sync/contract/server-signature.ts';
import { MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import { MemoryBus } from '../../sync/mqtt/memory-bus.ts';
import { TillLink } from '../../sync/till-link.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryJournal, OWNER } from './support/memory-journal.ts';
import { MemoryVersions } from './support/memory-versions.ts';
import { ModelServer, TENANT, at, keys, topics } from './support/model-server.ts';

class Till {
  readonly clock = new ManualClock();
  readonly broker = new MemoryBroker({ clock: this.clock, log: silentLog });
  readonly journal = new MemoryJournal();
  readonly versions = new MemoryVersions();
  readonly lines: LogFields[] = [];
  readonly heard: string[] = [];
  changes = 0;
  failReseed = false;
  session = 0;
  readonly parts: { bus?: MemoryBus; link?: TillLink; server?: ModelServer } = {};

  static async open(): Promise<Till & { link: TillLink; server: ModelServer; bus: MemoryBus }> {
    const till = new Till();
    const server = await ModelServer.open(till.broker, till.clock, OWNER);
    const link = await TillLink.open(
      {
        tenant: TENANT,
        publicKey: keys.publicKey,
        version: '0.1.0',
        journal: till.journal,
        versions: till.versions,
        sessions: { next: () => (till.session += 1) },
        noticeJitterMs: 1_000,
        openBus: async (opening) =>
          (till.parts.bus = await MemoryBus.open(till.broker, {
            ...opening,
            clock: till.clock,
            log: silentLog,
          })),
        clock: till.clock,
        random: new SeededRandom(5),
        log: { ...silentLog, error: (fields) => void till.lines.push(fields) },
        presenceTimes: { debounceMs: 100, repeatMs: 60_000 },
      },
      {
        health: () => ({
          unconfirmed: till.journal.lastSeq - till.journal.confirmedSeq,
          diverged: false,
          replicaAgeMs: null,
          readers: [],
        }),
        onBehind: (collection) => void till.heard.push(`behind ${collection}`),
        onUrgent: () => void till.heard.push('urgent'),
        onWipe: () => void till.heard.push('wipe'),
        onReseed() {
          if (till.failReseed) throw new Error('busy');
          till.heard.push('reseed');
        },
        onChange: () => void (till.changes += 1),
      },
    );
    await settle();
    const { bus } = till.parts;
    if (bus === undefined) throw new Error('no bus');
    return Object.assign(till, { link, server, bus });
  }
}

describe('presence', () => {
  test('on each connection the till says that it is there, in a session of its own', async () => {
    const { server, bus, link } = await Till.open();
    expect(server.states).toEqual([
      expect.objectContaining({ online: true, session: 1, till: OWNER.till, version: '0.1.0' }),
    ]);
    bus.unplug();
    bus.replug();
    await settle();
    expect(server.states.slice(1)).toEqual([
      expect.objectContaining({ online: false, session: 1 }),
      expect.objectContaining({ online: true, session: 2 }),
    ]);
    await link.close();
  });

  test('the state is retained for a server that comes later', async () => {
    const till = await Till.open();
    const late = await ModelServer.open(till.broker, till.clock, OWNER);
    await settle();
    expect(late.states).toEqual([expect.objectContaining({ online: true, session: 1 })]);
    await till.link.close();
  });

  test('many changes are told once, and the state again after a while', async () => {
    const { server, clock, link } = await Till.open();
    for (let i = 0; i < 50; i += 1) {
      link.healthChanged();
      await clock.advance(1);
    }
    await clock.advance(100);
    expect(server.states).toHaveLength(2);
    await clock.advance(60_000);
    expect(server.states).toHaveLength(3);
    await link.close();
  });

  test('a till that closes says so itself, once', async () => {
    const { server, link, clock } = await Till.open();
    await Promise.all([link.close(), link.close()]);
    await settle();
    expect(server.states.slice(1)).toEqual([expect.objectContaining({ online: false, session: 1 })]);
    expect(clock.pending).toBe(0);
  });
});

describe('the till’s end', () => {
  test('sales go up, pages come down, and the status shows it', async () => {
    const { server, journal, link, heard, clock } = await Till.open();
    journal.append(3);
    link.journalGrew();
    await clock.advance(0);
    expect(link.status).toMatchObject({
      connected: true,
      upload: { confirmedSeq: 3, unconfirmed: 0 },
      rejected: {},
    });
    server.respond = ({ requestId }) => ({
      requestId,
      ok: true,
      answer: { kind: 'feed.page', page: { documents: [], position: at(2), more: false } },
    });
    await expect(link.pull('offers', null, 10)).resolves.toMatchObject({ position: at(2) });
    server.send('urgent', { position: at(2), credentials: [], customers: [] });
    await settle();
    expect(heard).toEqual(['urgent']);
    await link.close();
  });

  test('a change of the connection is told', async () => {
    const till = await Till.open();
    const before = till.changes;
    till.bus.unplug();
    expect(till.changes).toBeGreaterThan(before);
    expect(till.link.status.connected).toBe(false);
    await till.link.close();
  });

  test('when the bus cannot be opened nothing is left behind', async () => {
    const clock = new ManualClock();
    await expect(
      TillLink.open(
        {
          tenant: TENANT,
          publicKey: keys.publicKey,
          version: '0.1.0',
          journal: new MemoryJournal(),
          versions: new MemoryVersions(),
          sessions: { next: () => 1 },
          noticeJitterMs: 0,
          openBus: () => Promise.reject(new Error('no password')),
          clock,
          random: new SeededRandom(1),
          log: silentLog,
        },
        {
          health: () => ({ unconfirmed: 0, diverged: false, replicaAgeMs: null, readers: [] }),
          onBehind() {},
          onUrgent() {},
          onReseed() {},
          onChange() {},
        },
      ),
    ).rejects.toThrow('no password');
    expect(clock.pending).toBe(0);
  });
});

describe('commands', () => {
  const reseed: Command = { kind: 'reseed' };
  const wipe: Command = { kind: 'wipe', incarnation: OWNER.incarnation };

  test('a command is obeyed once, however often it comes', async () => {
    const { server, heard, link, versions } = await Till.open();
    server.send('command', reseed, { version: 10 });
    server.send('command', reseed, { version: 10 });
    await settle();
    expect(heard).toEqual(['reseed']);
    expect(versions.last('command')).toBe(10);
    await link.close();
  });

  test('a command older than one obeyed is refused, also after a restart', async () => {
    const { server, heard, link, versions } = await Till.open();
    versions.obeyed('command', 10);
    server.send('command', reseed, { version: 9 });
    await settle();
    expect(heard).toEqual([]);
    expect(link.status.rejected).toEqual({ WIRE_EXPIRED: 1 });
    await link.close();
  });

  test('a command that expired is refused', async () => {
    const { server, heard, link, clock } = await Till.open();
    server.send('command', reseed, { expiresAt: clock.now() - 1 });
    await settle();
    expect(heard).toEqual([]);
    expect(link.status.rejected).toEqual({ WIRE_EXPIRED: 1 });
    await link.close();
  });

  test('a till whose clock is a day fast obeys a wipe of its journal', async () => {
    const { server, heard, link, clock } = await Till.open();
    server.send('command', wipe, { version: 10, expiresAt: clock.now() - 86_400_000 });
    await settle();
    expect(heard).toEqual(['wipe']);
    await link.close();
  });

  test('a wipe that was obeyed or overtaken, or is of another journal, is not obeyed', async () => {
    const { server, heard, link, clock, versions } = await Till.open();
    versions.obeyed('command', 10);
    for (const version of [9, 10]) server.send('command', wipe, { version });
    const other: Command = { kind: 'wipe', incarnation: '0190f8a0-0000-7000-8000-0000000000ff' };
    server.send('command', other, { version: 11 });
    server.send('command', other, { version: 12, expiresAt: clock.now() - 1 });
    server.send('command', { kind: 'wipe', incarnation: null }, { version: 13, expiresAt: clock.now() - 1 });
    await settle();
    expect(heard).toEqual([]);
    await link.close();
  });

  test('a command for another till, or signed by another, is refused', async () => {
    const { server, heard, link, clock } = await Till.open();
    const intruder = generateKeyPairSync('ed25519').privateKey;
    const statement = {
      to: OWNER.till,
      kind: 'command',
      version: 1,
      expiresAt: clock.now() + 1,
      body: reseed,
    } as const;
    const topic = topics.command(OWNER.till);
    await server.bus.publish(topic, signStatement(statement, intruder), { qos: 1 });
    await server.bus.publish(topic, signStatement({ ...statement, to: 'till-2' }, keys.privateKey), {
      qos: 1,
    });
    await settle();
    expect(heard).toEqual([]);
    expect(link.status.rejected).toEqual({ WIRE_SIGNATURE: 1, WIRE_FOREIGN: 1 });
    await link.close();
  });

  test('a command that failed can come again', async () => {
    const till = await Till.open();
    till.failReseed = true;
    till.server.send('command', reseed, { version: 10 });
    await settle();
    expect(till.lines).toEqual([expect.objectContaining({ event: 'command.failed' })]);
    till.failReseed = false;
    till.server.send('command', reseed, { version: 10 });
    await settle();
    expect(till.heard).toEqual(['reseed']);
    await till.link.close();
  });

  test('the command to send again reaches the upload', async () => {
    const { server, journal, link, clock } = await Till.open();
    journal.append(9);
    link.journalGrew();
    await clock.advance(0);
    server.restoreBackup(4);
    server.send('command', { kind: 'receipt', contiguous: 4 });
    await clock.advance(0);
    expect(server.contiguous).toBe(9);
    await link.close();
  });
});
