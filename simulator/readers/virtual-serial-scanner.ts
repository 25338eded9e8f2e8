import { setImmediate } from 'node:timers/promises';
import { openPty } from '../../drivers/transport/pty.ts';
import type { Pty } from '../../drivers/transport/pty.ts';
import { cutInPieces } from './virtual-scanner.ts';
import type { VirtualScanner } from './virtual-scanner.ts';

/** A scanner on a real pseudo-terminal, which a serial port library opens like any device. */
export class VirtualSerialScanner implements VirtualScanner {
  readonly address: string;
  #pty: Pty | undefined;
  /** Plugging, unplugging and sending happen one after the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(link: string, pty: Pty) {
    this.address = link;
    this.#pty = pty;
  }

  /** @param link path of the symbolic link under which the device is found, also after it was unplugged */
  static async open(link: string): Promise<VirtualSerialScanner> {
    return new VirtualSerialScanner(link, await openPty({ link }));
  }

  get plugged(): boolean {
    return this.#pty !== undefined;
  }

  send(bytes: Uint8Array, pieces: readonly number[] = []): Promise<void> {
    return this.#inTurn(async () => {
      for (const piece of cutInPieces(bytes, pieces)) {
        if (this.#pty === undefined) throw new Error(`the scanner at ${this.address} is unplugged`);
        await this.#pty.write(piece);
        if (pieces.length > 0) await setImmediate();
      }
    });
  }

  unplug(): Promise<void> {
    return this.#inTurn(async () => {
      const pty = this.#pty;
      this.#pty = undefined;
      await pty?.close();
    });
  }

  plugIn(): Promise<void> {
    return this.#inTurn(async () => {
      this.#pty ??= await openPty({ link: this.address });
    });
  }

  close(): Promise<void> {
    return this.unplug();
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step);
    // Whoever asked hears of the failure; the next in turn is not to blame for it.
    this.#turn = done.catch(() => {});
    return done;
  }
}
