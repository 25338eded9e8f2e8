// Goal: a broker that takes few messages at one time gets no more (MQTT 5, 3.3.4 and 4.9), and in the end all of them.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { whenConnected } from '../bus-contract.ts';

const RECEIVE_MAXIMUM = 10;
/** CONNACK with the one property 0x21, receive maximum. */
const CONNACK = Buffer.from([0x20, 6, 0, 0, 3, 0x21, 0, RECEIVE_MAXIMUM]);

/** The least of a broker: it takes what it is sent, in packets below 128 bytes, and counts what it has not acknowledged. */
class StrictBroker {
  most = 0;
  taken = 0;
  readonly #open: Buffer[] = [];
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = packetEnd(rest); end <= rest.length; end = packetEnd(rest)) {
        this.#take(rest.subarray(0, end));
        rest = rest.subarray(end);
      }
    });
  }

  /** Acknowledges the oldest. */
  acknowledge(): void {
    const id = this.#open.shift();
    if (id !== undefined) this.#socket.write(Buffer.concat([Buffer.from([0x40, 2]), id]));
  }

  #take(packet: Buffer): void {
    const type = packet.readUInt8(0) >> 4;
    if (type === 1) this.#socket.write(CONNACK);
    if (type === 8)
      this.#socket.write(Buffer.concat([Buffer.from([0x90, 4]), packet.subarray(2, 4), Buffer.from([0, 1])]));
    if (type !== 3) return;
    const topicEnd = 4 + packet.readUInt16BE(2);
    this.#open.push(Buffer.from(packet.subarray(topicEnd, topicEnd + 2)));
    this.taken += 1;
    this.most = Math.max(this.most, this.#open.length);
    // Others come in the same read; whoever sends too many at once has done so by then.
    setImmediate(() => this.acknowledge());
  }
}

function packetEnd(bytes: Buffer): number {
  return bytes.length < 2 ? Infinity : 2 + bytes.readUInt8(1);
}

test('a broker gets no more at one time than it said it takes, and everything in the end', async () => {
  const brokers: StrictBroker[] = [];
  const server = createServer((socket) => brokers.push(new StrictBroker(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const bus = await MqttBus.open(MqttConfig.parse({ url: `mqtt://127.0.0.1:${port}`, protocolVersion: 5 }), {
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLog,
    subscriptions: [{ filter: 'x', onMessage: () => {} }],
  });
  onTestFinished(() => bus.close());
  await whenConnected(bus);
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, () => bus.publish('till/receipt', Buffer.from('r'), { qos: 1 })),
  );
  expect([...new Set(outcomes)]).toEqual(['sent']);
  expect(brokers.map(({ most, taken }) => [most <= RECEIVE_MAXIMUM, taken])).toEqual([[true, 100]]);
});
