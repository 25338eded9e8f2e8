import type { Socket } from 'node:net';
import { z } from 'zod';
import { eachLine } from './lines.ts';

/** What QEMU says on its monitor (QMP): the answer to the oldest command, or an event. */
const Said = z.object({
  return: z.unknown().optional(),
  error: z.object({ desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.object({ device: z.string().optional() }).optional(),
});

const UNPLUGGED_WITHIN_MS = 10_000;

/** QEMU's monitor. */
export class Monitor {
  readonly #socket: Socket;
  readonly #waiting: ((why: string | undefined) => void)[] = [];
  readonly #unplugged = new Map<string, () => void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    eachLine(socket, (line) => this.#hear(Said.parse(JSON.parse(line))));
  }

  /**
   * Runs a command; unplugging a device is over when the device is gone.
   * @returns why it could not be done, or undefined
   */
  async run(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<string | undefined> {
    const id = args['id'];
    const gone =
      command === 'device_del' && typeof id === 'string'
        ? new Promise<string | undefined>((resolve) => {
            const timer = setTimeout(() => resolve(`${id} was not let go of`), UNPLUGGED_WITHIN_MS);
            this.#unplugged.set(id, () => {
              clearTimeout(timer);
              resolve(undefined);
            });
          })
        : undefined;
    const answered = new Promise<string | undefined>((resolve) => this.#waiting.push(resolve));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const why = await answered;
    return why ?? (await gone);
  }

  #hear({ error, event, data, ...said }: z.output<typeof Said>): void {
    if (error !== undefined) this.#waiting.shift()?.(error.desc);
    else if ('return' in said) this.#waiting.shift()?.(undefined);
    else if (event === 'DEVICE_DELETED' && data?.device !== undefined) this.#unplugged.get(data.device)?.();
  }
}
