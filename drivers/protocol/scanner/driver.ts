import type { Clock } from '../../../foundation/clock.ts';
import type { Driver, ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import type { FrameReader, FrameSink } from '../../framing/frame.ts';
import { DelimitedFrameReader } from '../../framing/delimited-frame-reader.ts';
import { readAim } from '../../symbology/aim.ts';
import type { Symbology } from '../../symbology/symbology.ts';
import type { OpenTransport } from '../../transport/transport.ts';
import type { ScannerConfig, ScannerFraming } from './config.ts';
import { restoreGs } from './gs-substitute.ts';
import { StripeLine, swipeFraming } from './stripe-line.ts';

/**
 * A barcode scanner that sends what it reads as characters, over a serial port or the network.
 *
 * ```
 *   transport → bytes → frame reader → frame → AIM identifier → Scan
 *                                  └─► noise               └─► reply of the scanner to a command: counted, no scan
 * ```
 * Of a reader of magnetic stripes a frame is all that comes until the line is quiet, see {@link StripeLine}.
 * @param openTransport instead of the one the configuration names, such as a MemoryDevice's
 */
export function scannerDriver(config: ScannerConfig, openTransport?: OpenTransport): Driver {
  return async (ports) => {
    const open = openTransport ?? (await transportOf(config));
    const stripes = config.symbology === 'magstripe' ? new StripeLine(config, ports) : undefined;
    const onCode = (bytes: Uint8Array, lastByteAtMonotonicMs: number): void => {
      ports.onFrame();
      const scan = scanOf(config, bytes, lastByteAtMonotonicMs, ports);
      if (scan !== undefined) ports.onScan(scan);
    };
    const framing = stripes === undefined ? config.framing : swipeFraming(config.framing);
    const frames = await frameReader(framing, ports.clock, {
      onFrame: (bytes, lastByteAtMonotonicMs) => {
        if (stripes === undefined) onCode(bytes, lastByteAtMonotonicMs);
        else stripes.take(bytes, lastByteAtMonotonicMs, onCode);
      },
      onNoise: (noise) => ports.onNoise(noise),
    });
    try {
      const transport = await open({
        clock: ports.clock,
        signal: ports.signal,
        onBytes: (chunk, atMonotonicMs) => frames.push(chunk, atMonotonicMs),
        onLost: (error) => {
          frames.lose();
          ports.onLost(error);
        },
      });
      return {
        close: async () => {
          frames.close();
          await transport.close();
        },
      };
    } catch (error) {
      frames.close();
      throw error;
    }
  };
}

/** A library is loaded only when a reader needs it: a till with network scanners never touches the serial binding. */
async function transportOf(config: ScannerConfig): Promise<OpenTransport> {
  switch (config.kind) {
    case 'serial':
      return (await import('../../transport/serial.ts')).serialTransport(config);
    case 'tcp':
      return (await import('../../transport/tcp.ts')).tcpTransport(config);
  }
}

async function frameReader(framing: ScannerFraming, clock: Clock, sink: FrameSink): Promise<FrameReader> {
  switch (framing.kind) {
    case 'line': {
      const { LineFrameReader } = await import('../../transport/serial-line.ts');
      return new LineFrameReader(framing, clock, sink);
    }
    case 'delimited': {
      const { prefixHex, idleGapMs, ...rest } = framing;
      return new DelimitedFrameReader(
        {
          ...rest,
          ...(prefixHex === undefined ? {} : { prefix: Uint8Array.from(Buffer.from(prefixHex, 'hex')) }),
          ...(idleGapMs === undefined ? {} : { idleGapMs }),
        },
        clock,
        sink,
      );
    }
  }
}

function scanOf(
  config: ScannerConfig,
  frame: Uint8Array,
  lastByteAtMonotonicMs: number,
  { readerId, clock }: ReaderPorts,
): Scan | undefined {
  const reading = config.aim === 'auto' ? readAim(frame) : ({ kind: 'none' } as const);
  const times = {
    receivedAtMonotonicMs: lastByteAtMonotonicMs,
    receivedAt: clock.now() - (clock.monotonicMs() - lastByteAtMonotonicMs),
  };
  switch (reading.kind) {
    case 'reply':
      return undefined;
    case 'none':
      return new Scan({
        readerId,
        symbology: config.symbology,
        payload: withGs(config, config.symbology, frame),
        frame,
        ...times,
      });
    case 'data':
      if (reading.payload.length === 0) return undefined;
      return new Scan({
        readerId,
        symbology: reading.symbology,
        aim: reading.aim,
        payload: withGs(config, reading.symbology, reading.payload),
        frame,
        ...times,
      });
  }
}

/** Only where the separator can be meant: a house card may well contain the substitute as itself. */
function withGs(config: ScannerConfig, symbology: Symbology, payload: Uint8Array): Uint8Array {
  if (config.gsSubstitute === undefined) return payload;
  if (!symbology.startsWith('gs1-') && symbology !== 'unknown') return payload;
  return restoreGs(payload, Buffer.from(config.gsSubstitute, 'latin1'));
}
