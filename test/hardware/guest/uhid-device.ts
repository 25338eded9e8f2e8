import { PolledFile } from './polled-file.ts';

/** Events of the kernel's uhid (linux/uhid.h); every one is written whole or read whole. */
const DESTROY = 1;
const OPEN = 4;
const CLOSE = 5;
const GET_REPORT = 9;
const GET_REPORT_REPLY = 10;
const CREATE2 = 11;
const INPUT2 = 12;
const SET_REPORT = 13;
const SET_REPORT_REPLY = 14;
const EVENT_BYTES = 4376;
const BUS_USB = 3;
const EIO = 5;

export interface UhidIdentity {
  readonly name: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string;
  readonly descriptor: Uint8Array;
}

/** A HID device of the kernel's that this program plays: hidraw, input and all that hangs on it are the real ones. */
export class UhidDevice {
  readonly #file: PolledFile;
  readonly #features: Uint8Array[] = [];
  #openings = 0;
  #gone = false;

  private constructor() {
    this.#file = new PolledFile('/dev/uhid', (event) => this.#hear(event), { chunkBytes: EVENT_BYTES });
  }

  /** Plugs it in. */
  static async plug(identity: UhidIdentity): Promise<UhidDevice> {
    const device = new UhidDevice();
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(CREATE2, 0);
    event.write(identity.name, 4, 127, 'utf8');
    event.write('stammkunde-uhid', 4 + 128, 63, 'utf8');
    event.write(identity.serialNumber, 4 + 192, 63, 'utf8');
    event.writeUInt16LE(identity.descriptor.length, 4 + 256);
    event.writeUInt16LE(BUS_USB, 4 + 258);
    event.writeUInt32LE(identity.vendorId, 4 + 260);
    event.writeUInt32LE(identity.productId, 4 + 264);
    event.set(identity.descriptor, 4 + 276);
    await device.#file.write(event);
    return device;
  }

  /** Feature reports it was sent, report id first. */
  get features(): readonly Uint8Array[] {
    return this.#features;
  }

  /** Whether some program has it open. */
  get isOpen(): boolean {
    return this.#openings > 0;
  }

  async send(...reports: readonly Uint8Array[]): Promise<void> {
    for (const report of reports) {
      const event = Buffer.alloc(6 + report.length);
      event.writeUInt32LE(INPUT2, 0);
      event.writeUInt16LE(report.length, 4);
      event.set(report, 6);
      await this.#file.write(event);
    }
  }

  /** Pulls it out; what was sent before is lost where nobody has read it. */
  async unplug(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    const event = Buffer.alloc(4);
    event.writeUInt32LE(DESTROY, 0);
    await this.#file.write(event);
    this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unplug();
  }

  #hear(event: Buffer): void {
    switch (event.readUInt32LE(0)) {
      case OPEN:
        this.#openings += 1;
        return;
      case CLOSE:
        this.#openings -= 1;
        return;
      case SET_REPORT: {
        const size = event.readUInt16LE(10);
        this.#features.push(Uint8Array.from(event.subarray(12, 12 + size)));
        this.#reply(SET_REPORT_REPLY, event.readUInt32LE(4), 0);
        return;
      }
      case GET_REPORT:
        this.#reply(GET_REPORT_REPLY, event.readUInt32LE(4), EIO);
        return;
    }
  }

  #reply(kind: number, id: number, error: number): void {
    const event = Buffer.alloc(kind === GET_REPORT_REPLY ? 12 : 10);
    event.writeUInt32LE(kind, 0);
    event.writeUInt32LE(id, 4);
    event.writeUInt16LE(error, 8);
    this.#file.write(event).catch(() => {}); // the kernel gives the request up by itself
  }
}
