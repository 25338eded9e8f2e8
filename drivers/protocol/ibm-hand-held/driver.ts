import type { Driver, ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import { readReportDescriptor } from '../../hid/report-descriptor.ts';
import { openHidSource } from '../../transport/hid-source.ts';
import type { HidDevice, OpenHid } from '../../transport/hid-device.ts';
import { readIbmReport } from './codec.ts';
import type { IbmHandHeldConfig } from './config.ts';

/** Reports this soon after opening were queued before it, ms: a scan nobody was there for. */
const STALE_MS = 250;

/**
 * A Zebra (Symbol) scanner in IBM hand-held USB mode. Experimental: its page in the HID tables is not documented, so it
 * is known by vendor, product and the shape of its frames.
 *
 * ```
 *   HID device → report → frame → Scan
 *                   └──────────► noise, or a status: counted, no scan
 * ```
 * The returned {@link Driver} throws, beyond what that promises, DRV_AMBIGUOUS, DRV_LIBRARY.
 * @param openHid instead of the one the configuration names, such as a MemoryHidDevice's
 */
export function ibmHandHeldDriver(config: IbmHandHeldConfig, openHid?: OpenHid): Driver {
  return async (ports) => {
    const open = openHid ?? (await openHidSource(config.device));
    let opened: { readonly withIds: boolean; readonly atMonotonicMs: number } | undefined;
    let over = false;
    const device = await open({
      clock: ports.clock,
      signal: ports.signal,
      onReport: (report, atMonotonicMs) => {
        if (over) return;
        if (opened === undefined || atMonotonicMs - opened.atMonotonicMs < STALE_MS) {
          ports.onNoise({ kind: 'noise', reason: 'unframed', bytes: report.length });
        } else {
          read(opened.withIds ? report.subarray(1) : report, atMonotonicMs, ports);
        }
      },
      onLost: (error) => {
        over = true;
        ports.onLost(error);
      },
    });
    opened = { withIds: usesReportIds(device), atMonotonicMs: ports.clock.monotonicMs() };
    return {
      close: () => {
        over = true;
        return device.close();
      },
    };
  };
}

function usesReportIds({ reportDescriptor }: HidDevice): boolean {
  if (reportDescriptor === undefined) return false;
  const reading = readReportDescriptor(reportDescriptor);
  return reading.kind === 'read' && reading.descriptor.usesReportIds;
}

function read(report: Uint8Array, atMonotonicMs: number, ports: ReaderPorts): void {
  const reading = readIbmReport(report);
  switch (reading.kind) {
    case 'noise':
      if (reading.bytes > 0) ports.onNoise(reading);
      break;
    case 'status':
      ports.onFrame();
      break;
    case 'scan':
      ports.onFrame();
      ports.onScan(
        new Scan({
          readerId: ports.readerId,
          symbology: reading.symbology,
          payload: reading.payload,
          receivedAtMonotonicMs: atMonotonicMs,
          receivedAt: ports.clock.now() - (ports.clock.monotonicMs() - atMonotonicMs),
        }),
      );
      break;
  }
}
