import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemRandom } from '../../foundation/random.ts';
import { parseYamlConfig } from '../../foundation/yaml-config.ts';
import { ServerConfig } from '../../server/config.ts';
import { createMissingKeys } from '../../server/keys.ts';

/** A server's configuration with keys and data in a temporary folder, made from the example. */
export class ServerFolder implements Disposable {
  readonly path: string;
  readonly config: ServerConfig;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'stammkunde-server-'));
    this.config = parseYamlConfig(this.yaml(), ServerConfig, 'test');
    createMissingKeys(this.config.keys, this.config.http.tokenFile, new SystemRandom());
  }

  /** The example with this folder in place of its own, on free ports. */
  yaml(): string {
    return readFileSync(new URL('../../examples/server.yaml', import.meta.url), 'utf8')
      .replaceAll('/var/lib/stammkunde-server', join(this.path, 'data'))
      .replaceAll('/etc/stammkunde', join(this.path, 'etc'))
      .replace('port: 1883', 'port: 0')
      .replace('port: 8480', 'port: 0')
      .replace('logLevel: info', 'logLevel: silent');
  }

  get token(): string {
    return readFileSync(this.config.http.tokenFile, 'utf8').trim();
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
