import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

/** MQTT 3.1.1, 2.2.3: the remaining length is coded in at most four bytes. */
const LENGTH_BYTES_MAX = 4;

/**
 * A client's connection that breaks as soon as it announces a packet larger than allowed, before any of it is kept: the
 * broker's own parser collects whatever length a client claims, up to 256 MB.
 */
export class BoundedStream extends Duplex {
  readonly #socket: Socket;
  readonly #packetBytesMax: number;
  /** Bytes of the current packet still to come; undefined while its header is being read. */
  #remaining: number | undefined;
  #headerBytes = 0;
  #length = 0;

  constructor(socket: Socket, packetBytesMax: number) {
    super();
    this.#socket = socket;
    this.#packetBytesMax = packetBytesMax;
    socket.on('data', (chunk: Buffer) => {
      if (!this.#admit(chunk)) {
        this.destroy(new Error('a packet is larger than allowed'));
        return;
      }
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  /** Follows the packets' fixed headers (MQTT 3.1.1, 2.2). */
  #admit(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining !== undefined) {
        const skipped = Math.min(this.#remaining, chunk.length - at);
        at += skipped;
        this.#remaining -= skipped;
        if (this.#remaining === 0) this.#remaining = undefined;
        continue;
      }
      const byte = chunk[at] ?? 0;
      at += 1;
      if (this.#headerBytes > 0) this.#length += (byte & 0x7f) * 128 ** (this.#headerBytes - 1);
      const last = this.#headerBytes > 0 && (byte & 0x80) === 0;
      this.#headerBytes += 1;
      if (this.#headerBytes > 1 + LENGTH_BYTES_MAX || this.#length > this.#packetBytesMax) return false;
      if (last) {
        this.#remaining = this.#length === 0 ? undefined : this.#length;
        this.#headerBytes = 0;
        this.#length = 0;
      }
    }
    return true;
  }
}
