import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ReaderConfigs } from '../drivers/registry.ts';
import { logLevels } from '../foundation/log.ts';
import { deepFreeze, readYamlConfig } from '../foundation/yaml-config.ts';
import type { Frozen } from '../foundation/yaml-config.ts';
import { SecretSource, withAbsolutePath } from '../foundation/secret-source.ts';
import { IDENTIFIER_KEYS_MAX } from '../sync/contract/blind-index.ts';
import { CardSchemes } from '../sync/contract/card-scheme.ts';
import { StoreId, TenantId, TillId } from '../sync/contract/ids.ts';
import { Currency } from '../sync/contract/money.ts';
import { MqttConfig, withAbsolutePaths } from '../sync/mqtt/config.ts';
import { ApiConfig } from './api/config.ts';
import { DoubleReadsConfig, readerProblems } from './double-reads-config.ts';
import { PassThroughConfig } from './pass-through/config.ts';

const FilePath = z.string().min(1).max(4_096);

/** Everything a till is told; one YAML file. */
export const EdgeConfig = z
  .strictObject({
    tenant: TenantId,
    till: TillId,
    store: StoreId,
    currency: Currency.describe(
      'Currency of this till until the programme has come from the server, ISO 4217',
    ),
    dataFolder: FilePath.describe('Folder of the replica and the journal; one daemon only may use it'),
    keys: z.strictObject({
      tillKeyFile: SecretSource.describe(
        'Key this till’s files are encrypted with, 32 bytes in base64url, mode 0600',
      ),
      identifierKeyFile: SecretSource.describe(
        'The programme’s first key for the blind index, the same as on the server, mode 0600',
      ),
      addedIdentifierKeyFiles: z
        .array(SecretSource)
        .max(IDENTIFIER_KEYS_MAX - 1)
        .default([])
        .describe('Keys that rotations added, oldest first, the same as on the server; docs/keys.md'),
      serverPublicKeyFile: FilePath.describe('Ed25519 public key of the server, PEM'),
    }),
    broker: MqttConfig,
    readers: ReaderConfigs.default([]),
    doubleReads: DoubleReadsConfig.prefault({}),
    passThrough: PassThroughConfig.prefault({}),
    cardSchemes: CardSchemes,
    api: ApiConfig,
    journal: z
      .strictObject({
        unconfirmedMax: z
          .int()
          .min(100)
          .max(10_000_000)
          .default(1_000_000)
          .describe('Refuse new sales beyond this many entries the server has not confirmed'),
      })
      .prefault({}),
    replica: z
      .strictObject({
        pollSeconds: z
          .int()
          .min(5)
          .max(3_600)
          .default(60)
          .describe('Ask the server for changes at least this often; notices make it ask at once'),
        noticeJitterMs: z
          .int()
          .min(0)
          .max(60_000)
          .default(500)
          .describe('Wait a random time up to this before following a notice that went to every till'),
      })
      .prefault({}),
    logLevel: z.enum(logLevels).default('info').describe('How much is logged on standard error'),
  })
  .check((context) => {
    for (const problem of readerProblems(context.value)) context.issues.push({ code: 'custom', ...problem });
  });

export type EdgeConfig = Frozen<z.infer<typeof EdgeConfig>>;

/**
 * A till's configuration, with every path absolute: relative ones start at the file's own folder.
 * @throws StammkundeError CFG_UNREADABLE · CFG_INVALID, listing every problem
 */
export function readEdgeConfig(path: string): EdgeConfig {
  const config = readYamlConfig(path, EdgeConfig);
  const at = (file: string): string => resolve(dirname(path), file);
  const { broker, api, keys } = config;
  return deepFreeze({
    ...config,
    dataFolder: at(config.dataFolder),
    keys: {
      tillKeyFile: withAbsolutePath(keys.tillKeyFile, at),
      identifierKeyFile: withAbsolutePath(keys.identifierKeyFile, at),
      addedIdentifierKeyFiles: keys.addedIdentifierKeyFiles.map((key) => withAbsolutePath(key, at)),
      serverPublicKeyFile: at(keys.serverPublicKeyFile),
    },
    passThrough: {
      ...config.passThrough,
      outputs: config.passThrough.outputs.map((output) =>
        output.kind === 'pty' ? { ...output, path: at(output.path) } : output,
      ),
    },
    broker: withAbsolutePaths(broker, at),
    api: { ...api, tokenFile: at(api.tokenFile), displayTokenFile: at(api.displayTokenFile) },
  });
}
