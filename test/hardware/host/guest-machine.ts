import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { FromGuest, LINE_NAME } from '../messages.ts';
import type { FromHost } from '../messages.ts';
import type { Kernel } from './kernel.ts';
import { connectTo, eachLine } from './lines.ts';
import { Monitor } from './monitor.ts';

export interface GuestMachineOptions {
  readonly kernel: Kernel;
  readonly initrd: string;
  /** Where its sockets and what it prints lie. */
  readonly folder: string;
  readonly onMessage: (message: FromGuest) => void;
}

/**
 * One emulated machine, with the host's files to read and an empty USB bus.
 *
 *   monitor.sock  QMP: plugs devices in and out, presses keys
 *   line.sock     results from the guest, answers to it
 *   serial.sock   the far end of the USB serial adapter
 *   console.log   what its kernel and its programs print
 */
export class GuestMachine {
  /** Resolves when the machine is off. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  readonly #line: Socket;
  readonly #serial: Socket;
  readonly #monitor: Monitor;
  readonly #onMessage: (message: FromGuest) => void;

  private constructor(
    child: ChildProcess,
    ended: Promise<void>,
    sockets: { readonly line: Socket; readonly serial: Socket; readonly monitor: Socket },
    onMessage: (message: FromGuest) => void,
  ) {
    this.#process = child;
    this.ended = ended;
    this.#line = sockets.line;
    this.#serial = sockets.serial;
    this.#serial.resume(); // what the till sends to the scanner is not looked at
    this.#monitor = new Monitor(sockets.monitor);
    this.#onMessage = onMessage;
    eachLine(this.#line, (line) => this.#hear(line));
  }

  static async start({ kernel, initrd, folder, onMessage }: GuestMachineOptions): Promise<GuestMachine> {
    const socket = (name: string): string => join(folder, `${name}.sock`);
    const chardev = (name: string): string => `socket,id=${name},path=${socket(name)},server=on,wait=off`;
    const settings: readonly (readonly string[])[] = [
      ['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '2048'],
      ['-display', 'none', '-monitor', 'none', '-nic', 'none', '-no-reboot'],
      ['-serial', `file:${join(folder, 'console.log')}`],
      // Loud, so that the kernel says where a program of the guest was ended: see kernel-faults.ts.
      ['-kernel', kernel.image, '-initrd', initrd, '-append', 'console=ttyS0 loglevel=7 panic=-1'],
      ['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
      ['-chardev', chardev('monitor'), '-mon', 'chardev=monitor,mode=control'],
      ['-chardev', chardev('line'), '-device', 'virtio-serial-pci'],
      ['-device', `virtserialport,chardev=line,name=${LINE_NAME}`],
      ['-chardev', chardev('serial'), '-device', 'qemu-xhci,id=usb'],
    ];
    const child = spawn('qemu-system-x86_64', settings.flat(), { stdio: ['ignore', 'inherit', 'inherit'] });
    const ended = new Promise<void>((resolve) => {
      child.on('exit', () => resolve());
      child.on('error', () => resolve());
    });
    try {
      const machine = new GuestMachine(
        child,
        ended,
        {
          line: await connectTo(socket('line')),
          serial: await connectTo(socket('serial')),
          monitor: await connectTo(socket('monitor')),
        },
        onMessage,
      );
      await machine.#monitor.run('qmp_capabilities');
      return machine;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** Ends it, whatever it is doing. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }

  #hear(line: string): void {
    const message = FromGuest.parse(JSON.parse(line));
    switch (message.kind) {
      case 'machine':
        this.#monitor.run(message.command, message.with).then(
          (why) => this.#answer({ id: message.id, ...(why === undefined ? {} : { why }) }),
          (error: unknown) => this.#answer({ id: message.id, why: String(error) }),
        );
        return;
      case 'serial':
        this.#serial.write(Buffer.from(message.hex, 'hex'), () => this.#answer({ id: message.id }));
        return;
      case 'scenario':
      case 'claim':
      case 'figure':
      case 'left-out':
      case 'end':
        this.#onMessage(message);
        return;
    }
  }

  #answer(answer: FromHost): void {
    this.#line.write(`${JSON.stringify(answer)}\n`);
  }
}
