import { parse, protocol } from '@electric-sql/pglite';
import type { messages, PGlite } from '@electric-sql/pglite';

type Message = Parameters<typeof parse.parseResults>[0][number];

interface Prepared {
  readonly name: string;
  readonly parameterTypes: readonly number[];
  readonly rowDescription: messages.RowDescriptionMessage | undefined;
}

/**
 * Statements of one PGlite, each parsed and planned once: three quarters of what a small statement costs there.
 * Statements that end or begin transactions, and those without parameters, are not worth it.
 */
export class PreparedStatements {
  readonly #pglite: PGlite;
  readonly #prepared = new Map<string, Prepared>();

  constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  /** @throws DatabaseError of PGlite, with the SQLSTATE as its code */
  async query(
    sql: string,
    parameters: readonly unknown[],
  ): Promise<{ readonly rows: readonly unknown[]; readonly affectedRows?: number | undefined }> {
    const { name, parameterTypes, rowDescription } = await this.#prepare(sql);
    const { serializers, parsers } = this.#pglite;
    const values = parameters.map((value, i) => {
      if (value === null || value === undefined) return null;
      const serialize = serializers[parameterTypes[i] ?? 0];
      if (serialize !== undefined) return serialize(value);
      // As PGlite does with types it has no serializer for: text, and numbers as text.
      return typeof value === 'string' ? value : JSON.stringify(value);
    });
    const { serialize } = protocol;
    const answer = await this.#ask([
      serialize.bind({ statement: name, values }),
      serialize.execute({}),
      serialize.sync(),
    ]);
    const [result] = parse.parseResults(
      rowDescription === undefined ? answer : [rowDescription, ...answer],
      parsers,
    );
    return { rows: result?.rows ?? [], affectedRows: result?.affectedRows };
  }

  async #prepare(sql: string): Promise<Prepared> {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const name = `s${this.#prepared.size + 1}`;
    const { serialize } = protocol;
    const answer = await this.#ask([
      serialize.parse({ name, text: sql }),
      serialize.describe({ type: 'S', name }),
      serialize.sync(),
    ]);
    const prepared: Prepared = {
      name,
      parameterTypes: parse.parseDescribeStatementResults(answer),
      rowDescription: answer.find(
        (message): message is messages.RowDescriptionMessage => message.name === 'rowDescription',
      ),
    };
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  async #ask(parts: readonly Uint8Array[]): Promise<Message[]> {
    const { messages: answer } = await this.#pglite.execProtocol(Buffer.concat(parts), { syncToFs: false });
    return answer;
  }
}
