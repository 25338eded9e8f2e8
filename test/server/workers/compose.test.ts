// Goal: deploy/compose.yaml says what a chain can rely on, and its parts fit together: the servers read their
// configuration, the Mosquitto takes its own, and with its access list tills and servers can do their work and no more.
// Method: the files are parsed and held against what we rely on; a real Mosquitto runs on them with other paths and ports.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readServerConfig } from '../../../server/config.ts';
import { shareGroup } from '../../../server/keys.ts';
import { freePort } from '../../../simulator/free-port.ts';
import type { Bus, Subscription } from '../../../sync/bus.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { ANY_TILL, sharedFilter, topicsOf } from '../../../sync/contract/topics.ts';
import { NO_MOSQUITTO, TestMosquitto, findMosquitto } from '../../support/mosquitto.ts';
import { startPostgres } from '../../support/postgres.ts';
import { projectFile } from '../../support/run-program.ts';
import { whenConnected } from '../../sync/bus-contract.ts';
import { ServerFolder } from '../server-folder.ts';
import { keptLog } from './selling-till.ts';
import { TENANT, WorkersWorld, ports, putRules, whatIsWrong } from './workers-world.ts';

const OPENSSL = 'openssl';
const MOSQUITTO_PASSWD = 'mosquitto_passwd';
/** What the tests run on, and what reads its access list from a file. */
const MOSQUITTO_IMAGE = 'eclipse-mosquitto:2.0';
const compose = projectFile('deploy/compose.yaml');
const folder = projectFile('deploy/compose');
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const Worker = z.object({
  image: z.literal('stammkunde-server'),
  build: z.object({ context: z.literal('..'), dockerfile: z.string() }),
  restart: z.literal('unless-stopped'),
  hostname: z.string(),
  command: z.tuple([z.literal('--config'), z.literal('/etc/stammkunde/server.yaml')]),
  depends_on: z.object({ database: z.object({ condition: z.literal('service_healthy') }) }),
  environment: z.object({ PGPASSFILE: z.string() }),
  volumes: z.array(z.string()),
  ports: z.array(z.string().startsWith('127.0.0.1:')).length(1),
  healthcheck: z.object({ test: z.array(z.string()) }),
});

const Compose = z.object({
  services: z.strictObject({
    database: z.object({
      image: z.string().regex(/^postgres:\d+$/),
      restart: z.literal('unless-stopped'),
      environment: z.strictObject({
        POSTGRES_USER: z.string(),
        POSTGRES_DB: z.string(),
        POSTGRES_PASSWORD_FILE: z.string().startsWith('/run/secrets/'),
      }),
      command: z
        .array(z.string())
        .refine((words) => !words.some((word) => /fsync|synchronous_commit/.test(word))),
      volumes: z.array(z.string()),
      healthcheck: z.object({ test: z.array(z.string()) }),
    }),
    broker: z.object({
      image: z.literal(MOSQUITTO_IMAGE),
      restart: z.literal('unless-stopped'),
      ports: z.tuple([z.literal('8883:8883')]),
      volumes: z.array(z.string()),
    }),
    'worker-1': Worker,
    'worker-2': Worker,
  }),
  volumes: z.strictObject({ database: z.null() }),
  secrets: z.record(z.string(), z.object({ file: z.string().startsWith('./secrets/') })),
});

const { services } = Compose.parse(parse(readFileSync(compose, 'utf8'), { merge: true }));

test('two servers, differing in name and port alone, read the configuration that is mounted', () => {
  const [one, two] = [services['worker-1'], services['worker-2']];
  expect({ ...one, hostname: '', ports: [] }).toEqual({ ...two, hostname: '', ports: [] });
  expect(one.hostname).not.toBe(two.hostname);
  expect(one.ports).not.toEqual(two.ports);
  const config = readServerConfig(join(folder, 'server.yaml'));
  expect(one.volumes).toContain('./compose/server.yaml:/etc/stammkunde/server.yaml:ro');
  expect(config).toMatchObject({
    broker: { url: 'mqtt://broker:1883', shared: true },
    http: { host: '0.0.0.0', port: 8480 },
  });
  expect(config.worker).toBeUndefined();
  const { POSTGRES_USER, POSTGRES_DB } = services.database.environment;
  expect(config.database).toEqual({ url: `postgres://${POSTGRES_USER}@database:5432/${POSTGRES_DB}` });
  const secrets = [...Object.values(config.keys).flat(), config.http.tokenFile];
  expect(secrets.filter((path) => !path.startsWith('/etc/stammkunde/secrets/'))).toEqual([]);
  expect(one.volumes).toContain('./secrets:/etc/stammkunde/secrets');
});

test('what is mounted is there, and nothing of it is a secret', () => {
  const mounted = [services['worker-1'], services.broker].flatMap(({ volumes }) =>
    volumes.map((volume) => volume.split(':')[0] ?? ''),
  );
  for (const path of mounted.filter((each) => each.startsWith('./compose/')))
    expect(existsSync(join(folder, '..', path))).toBe(true);
  expect(existsSync(join(folder, '../..', services['worker-1'].build.dockerfile))).toBe(true);
  expect(readdirSync(join(folder, '..'))).not.toContain('secrets');
  const all = [readFileSync(compose, 'utf8'), ...readdirSync(folder).map(read)].join('\n');
  expect(all).not.toMatch(/BEGIN [A-Z ]*KEY|PASSWORD: |:\/\/[^/\s]*:[^/\s]*@|\$[67]\$/);
  // Anything as long and as random as a key.
  expect(all.match(/(?<![/\w-])(?=[\w-]*\d)[A-Za-z0-9_-]{32,}(?![/\w-])/g)).toBeNull();
});

test('whoever prepares it runs the Mosquitto that it runs', () => {
  expect(new Set(readFileSync(compose, 'utf8').match(/eclipse-mosquitto:\S+/g))).toEqual(
    new Set([MOSQUITTO_IMAGE]),
  );
});

test('a server that starts hears the last state of each till its Mosquitto retained', async (context) => {
  const program = findMosquitto();
  if (program === undefined) return context.skip(NO_MOSQUITTO);
  const bounds = read('mosquitto.conf')
    .split('\n')
    .filter((line) => line.startsWith('max_'));
  const mosquitto = await TestMosquitto.open(program, () => ['allow_anonymous true', ...bounds]);
  onTestFinished(() => mosquitto.close());
  const connect = async (subscriptions: readonly Subscription[]): Promise<Bus> => {
    const config = MqttConfig.parse({ url: `mqtt://127.0.0.1:${mosquitto.port}` });
    const bus = await MqttBus.open(config, { ...ports, subscriptions });
    onTestFinished(() => bus.close());
    await whenConnected(bus);
    return bus;
  };
  const topics = topicsOf(TENANT);
  const tills = Array.from({ length: 1_500 }, (_, i) => topics.state(`till-${i}`));
  const publisher = await connect([]);
  for (let i = 0; i < tills.length; i += 50) {
    const some = tills.slice(i, i + 50);
    await Promise.all(
      some.map((topic) => publisher.publish(topic, Buffer.alloc(600, 'x'), { qos: 1, retain: true })),
    );
  }
  const heard = new Set<string>();
  await connect([{ filter: topics.state(ANY_TILL), onMessage: (topic) => heard.add(topic) }]);
  await vi.waitFor(() => expect(heard.size).toBe(tills.length), { timeout: 10_000 });
  // As many as docs/scale.md reckons with, of the same size, would as well.
  const bound = (name: string): number =>
    Number(bounds.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  expect(bound('max_queued_messages')).toBeGreaterThanOrEqual(100_000);
  expect(bound('max_queued_bytes')).toBeGreaterThanOrEqual(100_000 * 600);
});

test(
  'its Mosquitto lets tills and servers do their work, and no till another’s',
  { timeout: 60_000 },
  async (context) => {
    const program = findMosquitto();
    if (program === undefined) return context.skip(NO_MOSQUITTO);
    if (!isThere(OPENSSL, ['version'])) return context.skip('no openssl installed');
    const postgres = await startPostgres();
    if ('missing' in postgres) return context.skip(postgres.missing);
    onTestFinished(() => postgres.close());
    const keys = new ServerFolder();
    onTestFinished(() => keys[Symbol.dispose]());
    const mosquitto = await startAsDeployed(program);
    onTestFinished(() => mosquitto.close());

    const world = new WorkersWorld({
      folder: keys,
      databaseUrl: postgres.url,
      brokerPort: mosquitto.port,
      broker: { protocolVersion: 5 },
      password: (user) => `password of ${user}`,
    });
    onTestFinished(() => world.close());
    const database = await world.database();
    await putRules(database);
    await Promise.all([world.server('one'), world.server('two')]);
    const { log, lines } = keptLog();
    const till = await world.till('till-1', { log });
    till.sell(12);
    await till.confirmed();
    await till.link.pull('programme', null, 10);
    expect(await whatIsWrong(database, [till])).toEqual([]);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);

    const topics = topicsOf(TENANT);
    const intruder = await world.client('till-2');
    await whenConnected(intruder);
    for (const topic of [
      topics.journal('till-1'),
      topics.receipt('till-1'),
      topics.feedHead,
      topics.command('till-2'),
    ])
      expect(await intruder.publish(topic, Buffer.from('x'), { qos: 1 })).toBe('refused');
    expect(await intruder.publish(topics.journal('till-2'), Buffer.from('x'), { qos: 1 })).toBe('sent');
    // Whoever has no password does not get in; whoever has one hears nothing that is for others.
    const stranger = keptLog();
    await world.client('till-3', { log: stranger.log });
    await vi.waitFor(() =>
      expect(stranger.lines).toContainEqual(expect.objectContaining({ code: 'BUS_REFUSED' })),
    );
    const heard: string[] = [];
    const listener = await world.client('till-2', {
      hears: topics.receipt('till-1'),
      take: (text) => heard.push(text),
    });
    await whenConnected(listener);
    till.sell(3);
    await till.confirmed();
    expect(heard).toEqual([]);

    // A Mosquitto lets anybody into a group of subscribers, and denies only what it then delivers: a member that may not
    // read takes what was for the others. So no till may be able to name the servers' group.
    const groups = ['stammkunde-servers', shareGroup(Buffer.from('password of till-2'), TENANT)];
    for (const group of [...groups, ...groups]) {
      const member = await world.client('till-2', {
        hears: sharedFilter(group, topics.request(ANY_TILL)),
        take: (text) => heard.push(text),
      });
      await whenConnected(member);
    }
    for (let asked = 0; asked < 10; asked += 1)
      await till.link.lookUp('A'.repeat(43), AbortSignal.timeout(5_000));
    expect(heard).toEqual([]);
  },
);

function isThere(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The files of deploy/compose with the paths and ports of this test; two may come in by password. */
async function startAsDeployed(program: string): Promise<TestMosquitto> {
  const encryptedPort = await freePort(0);
  return TestMosquitto.open(program, (place) => {
    const at = (name: string): string => join(place, name);
    execFileSync(
      OPENSSL,
      [
        'req',
        '-x509',
        '-newkey',
        'ed25519',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=broker',
        '-keyout',
        at('broker.key'),
        '-out',
        at('broker.crt'),
      ],
      { stdio: 'ignore' },
    );
    writeFileSync(at('broker-passwords'), '', { mode: 0o600 });
    for (const user of ['server', 'till-1', 'till-2'])
      execFileSync(MOSQUITTO_PASSWD, ['-b', at('broker-passwords'), user, `password of ${user}`], {
        stdio: 'ignore',
      });
    writeFileSync(at('mosquitto.acl'), read('mosquitto.acl'));
    return (
      read('mosquitto.conf')
        .replaceAll('/mosquitto/secrets/', `${place}/`)
        .replaceAll('/mosquitto/config/', `${place}/`)
        .split('\n')
        // Tests listen on loopback, at one port of their own; the other listener is encrypted and takes any.
        .filter((line) => !/^(?:#|listener 1883|log_)/.test(line))
        .map((line) => (line === 'listener 8883' ? `listener ${encryptedPort} 127.0.0.1` : line))
    );
  });
}
