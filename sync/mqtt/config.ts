import { z } from 'zod';

/** How to reach the message broker. */
export const MqttConfig = z
  .strictObject({
    url: z
      .string()
      .regex(
        /^mqtts?:\/\/(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?\/?$/,
        'must be mqtt://host[:port] or mqtts://host[:port], without credentials',
      )
      .describe('Address of the broker; mqtts:// is encrypted and is what belongs outside of one machine'),
    username: z.string().min(1).max(256).optional().describe('User name at the broker'),
    passwordFile: z
      .string()
      .min(1)
      .optional()
      .describe('File with the password at the broker, readable by the service account alone (mode 0600)'),
    clientId: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,100}$/)
      .optional()
      .describe(
        'Client id at the broker; two clients with the same one throw each other out. Made up when absent',
      ),
    caFile: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file of the authorities the broker’s certificate is checked against, in place of the usual ones',
      ),
    protocolVersion: z
      .union([z.literal(4), z.literal(5)])
      .default(4)
      .describe(
        '4 is MQTT 3.1.1, which every broker speaks, the embedded one included. With 5 a broker says why it does not take a message',
      ),
    keepaliveSeconds: z
      .int()
      .min(1)
      .max(600)
      .default(20)
      .describe('A connection on which nothing is heard for one and a half times as long is given up'),
    connectTimeoutMs: z
      .int()
      .min(100)
      .max(120_000)
      .default(10_000)
      .describe('How long an attempt to connect and subscribe may take'),
    publishTimeoutMs: z
      .int()
      .min(100)
      .max(120_000)
      .default(10_000)
      .describe('How long the broker may take to acknowledge a message'),
    reconnect: z
      .strictObject({
        firstMs: z
          .int()
          .min(10)
          .max(60_000)
          .default(1_000)
          .describe('Longest first wait before connecting again'),
        maxMs: z.int().min(10).max(600_000).default(30_000).describe('Longest wait between attempts'),
      })
      .prefault({})
      .describe('Waits double from the first to the longest, each shortened by chance to as little as half'),
  })
  .refine((config) => config.passwordFile === undefined || config.username !== undefined, {
    path: ['username'],
    // MQTT 3.1.1, 3.1.2.9.
    error: 'a password needs a user name',
  });
export type MqttConfig = z.infer<typeof MqttConfig>;

/** The same broker, with its files where `at` says they are. */
export function withAbsolutePaths<B extends MqttConfig>(broker: B, at: (path: string) => string): B {
  const { passwordFile, caFile } = broker;
  return {
    ...broker,
    ...(passwordFile === undefined ? {} : { passwordFile: at(passwordFile) }),
    ...(caFile === undefined ? {} : { caFile: at(caFile) }),
  };
}
