import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { logLevels } from '../foundation/log.ts';
import { deepFreeze, readYamlConfig } from '../foundation/yaml-config.ts';
import type { Frozen } from '../foundation/yaml-config.ts';
import { IDENTIFIER_KEYS_MAX } from '../sync/contract/blind-index.ts';
import { CardSchemes } from '../sync/contract/card-scheme.ts';
import { TenantId } from '../sync/contract/ids.ts';
import { MqttConfig, withAbsolutePaths } from '../sync/mqtt/config.ts';

const Path = z.string().min(1);
const Port = z.int().min(0).max(65_535);

/** The server's settings: one YAML file. */
export const ServerConfig = z.strictObject({
  tenant: TenantId,
  dataFolder: Path.describe('Folder for what the server keeps beside the database'),
  database: z
    .union([
      z.strictObject({
        embedded: Path.describe('Folder of the embedded database; it does not survive a power cut'),
      }),
      z.strictObject({
        url: z
          .string()
          .regex(/^postgres(?:ql)?:\/\//, 'must begin with postgres://')
          .describe('Address of a PostgreSQL database, 14 or newer'),
      }),
    ])
    .describe('Either the embedded database or a PostgreSQL'),
  broker: z
    .union([
      z.strictObject({
        embedded: z.strictObject({
          host: z.string().min(1).default('127.0.0.1').describe('Address to listen on'),
          port: Port.describe('Port to listen on; 0 takes any free one'),
        }),
      }),
      MqttConfig.safeExtend({
        shared: z
          .boolean()
          .default(true)
          .describe(
            'Each message of a till goes to one of all servers, by a shared subscription. false for a broker without them, which can have one server only',
          ),
      }),
    ])
    .describe('Either the embedded broker or another one by address'),
  http: z.strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on'),
    port: Port.describe('Port to listen on; 0 takes any free one'),
    tokenFile: Path.describe('File with the bearer token of the HTTP API, mode 0640 or tighter'),
    publicUrl: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !url.endsWith('/'), 'must not end with a slash')
      .optional()
      .describe(
        'Address under which tills reach the HTTP API, to load snapshots from; https outside of a trusted network. Without it they come in MQTT messages',
      ),
  }),
  snapshots: z
    .strictObject({
      maxAgeHours: z
        .int()
        .min(1)
        .max(24 * 30)
        .default(24)
        .describe('A snapshot older than this is made anew when a till asks for one'),
      fromDocuments: z
        .int()
        .min(0)
        .default(20_000)
        .describe('With fewer cards and customers than this, empty tills pull page by page'),
    })
    .prefault({})
    .describe('What empty tills load first'),
  keys: z.strictObject({
    identifierKeyFile: Path.describe('First key of the blind indexes, the same on every till; mode 0600'),
    addedIdentifierKeyFiles: z
      .array(Path)
      .max(IDENTIFIER_KEYS_MAX - 1)
      .default([])
      .describe('Keys that rotations added, oldest first, the same on every till; docs/keys.md'),
    signingKeyFile: Path.describe('Ed25519 key (PKCS #8, PEM) that signs what tills are told; mode 0600'),
    secretFile: Path.describe('Secret that till tokens are derived from; mode 0600'),
  }),
  cardSchemes: CardSchemes.describe('Which numbers are cards of the programme'),
  replica: z
    .strictObject({
      tombstoneDays: z
        .int()
        .min(35)
        .max(3_650)
        .default(180)
        .describe(
          'Days for which tills are told what is gone; one that was away for longer loads everything anew',
        ),
    })
    .prefault({}),
  worker: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be of letters, digits, ".", "_" and "-"')
    .optional()
    .describe('Name of this server among several, for people; absent: its host and process'),
  logLevel: z.enum(logLevels).default('info'),
});
export type ServerConfig = Frozen<z.infer<typeof ServerConfig>>;

/**
 * A server's configuration, with every path absolute: relative ones start at the file's own folder.
 * @throws StammkundeError CFG_UNREADABLE · CFG_INVALID, listing every problem
 */
export function readServerConfig(path: string): ServerConfig {
  const config = readYamlConfig(path, ServerConfig);
  const at = (file: string): string => resolve(dirname(path), file);
  const { broker, database, http, keys } = config;
  return deepFreeze({
    ...config,
    dataFolder: at(config.dataFolder),
    database: 'embedded' in database ? { embedded: at(database.embedded) } : database,
    broker: 'embedded' in broker ? broker : withAbsolutePaths(broker, at),
    http: { ...http, tokenFile: at(http.tokenFile) },
    keys: {
      identifierKeyFile: at(keys.identifierKeyFile),
      addedIdentifierKeyFiles: keys.addedIdentifierKeyFiles.map(at),
      signingKeyFile: at(keys.signingKeyFile),
      secretFile: at(keys.secretFile),
    },
  });
}
