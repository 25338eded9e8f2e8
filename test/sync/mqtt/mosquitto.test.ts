// Goal: what the bus promises holds on a broker that is not ours, too, in both versions of MQTT.
// Method: the same contract as everywhere, on a Mosquitto of the test's own; each bus goes through a relay, so that its
// connection alone can be cut.
import { createConnection } from 'node:net';
import { beforeEach } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { NO_MOSQUITTO, TestMosquitto, findMosquitto } from '../../support/mosquitto.ts';
import { busContract } from '../bus-contract.ts';
import type { BusWorld } from '../bus-contract.ts';
import { Listener } from '../support/test-broker.ts';

const program = findMosquitto();

beforeEach((context) => {
  if (program === undefined) context.skip(NO_MOSQUITTO);
});

for (const protocolVersion of [4, 5] as const) {
  busContract(`MQTT ${protocolVersion === 4 ? '3.1.1' : '5'}, on Mosquitto`, () =>
    mosquittoWorld(protocolVersion),
  );
}

async function mosquittoWorld(protocolVersion: 4 | 5): Promise<BusWorld> {
  const broker = await TestMosquitto.open(program ?? '');
  const relays = new Map<object, Listener>();
  return {
    async open(opening) {
      const relay = await relayTo(broker.port);
      const config = MqttConfig.parse({
        url: `mqtt://127.0.0.1:${relay.port}`,
        reconnect: { firstMs: 20, maxMs: 50 },
        protocolVersion,
      });
      const bus = await MqttBus.open(config, {
        ...opening,
        clock: new SystemClock(),
        random: new SystemRandom(),
        log: silentLog,
      });
      relays.set(bus, relay);
      return bus;
    },
    cut(bus) {
      for (const socket of relays.get(bus)?.sockets ?? []) socket.destroy();
    },
    stopBroker: () => broker.stop(),
    restartBroker: () => broker.start(),
    async close() {
      for (const relay of relays.values()) await relay.close();
      await broker.close();
    },
  };
}

function relayTo(port: number): Promise<Listener> {
  return new Listener((near) => {
    const far = createConnection(port, '127.0.0.1');
    far.on('error', () => near.destroy());
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
    near.pipe(far);
    far.pipe(near);
  }).listen();
}
