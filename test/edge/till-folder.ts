import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../foundation/clock.ts';
import type { Log, LogFields } from '../../foundation/log.ts';
import { SystemRandom, uuidV7 } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';
import { parseYamlConfig } from '../../foundation/yaml-config.ts';
import { EdgeConfig } from '../../edge/config.ts';
import { Till } from '../../edge/till.ts';

const random = new SystemRandom();

/** A till's configuration with keys and data in a temporary folder, made from the example, without a server. */
export class TillFolder implements Disposable {
  readonly path: string;
  /** Everything the till logged, as it would leave the process. */
  readonly logged: LogFields[] = [];
  readonly #scannerPort: number;

  /** @param scannerPort where its one scanner, a network scanner, listens */
  constructor(scannerPort: number) {
    this.#scannerPort = scannerPort;
    this.path = mkdtempSync(join(tmpdir(), 'stammkunde-till-'));
    writeSecretFile(this.file('till.key'), newSecret(random), 'owner');
    writeSecretFile(this.file('identifier.key'), newSecret(random), 'owner');
    writeSecretFile(this.file('till.token'), newSecret(random), 'owner');
    writeSecretFile(this.file('api.token'), newSecret(random), 'group');
    writeSecretFile(this.file('display.token'), newSecret(random), 'group');
    const { publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(this.file('signing.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  get config(): EdgeConfig {
    return parseYamlConfig(this.yaml(), EdgeConfig, 'test');
  }

  /** The example with this folder in place of its own, its readers replaced by the one scanner, the broker away. */
  yaml(): string {
    return readFileSync(new URL('../../examples/till.yaml', import.meta.url), 'utf8')
      .replaceAll('/var/lib/stammkunde', this.file('data'))
      .replaceAll('/etc/stammkunde', this.path)
      .replace('mqtts://stammkunde.example:8883', 'mqtt://127.0.0.1:9')
      .replace('port: 8471', 'port: 0')
      .replace(
        /readers:[\s\S]*?\n(?=# What a customer)/,
        `readers:\n  - { id: portal, kind: tcp, host: 127.0.0.1, port: ${this.#scannerPort} }\n\n`,
      );
  }

  open(config: EdgeConfig = this.config): Promise<Till> {
    const note = (fields: LogFields): void => void this.logged.push(fields);
    const log: Log = { error: note, warn: note, info: note, debug: note };
    return Till.open(config, { clock: new SystemClock(), random, log, version: 'test' });
  }

  newId(): string {
    return uuidV7(new SystemClock().now(), random);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
