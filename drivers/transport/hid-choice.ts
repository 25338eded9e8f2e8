import type { DeviceMatch } from '../device-match.ts';
import { matchesDevice } from '../device-match.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { HidIdentity } from './hid-device.ts';

/** Which of a device's interfaces is meant: the one with this top-level collection. */
export interface WantedUsage {
  readonly page: number;
  /** Absent: any of the page. */
  readonly id?: number;
}

/**
 * The one interface that is meant. A device that shows none of the wanted usages is in another mode; where the system
 * tells no usages, the interface number has to do.
 * @throws StammkundeError DRV_PORT_ABSENT when none is attached, DRV_HID_MODE when it is but speaks something else,
 * DRV_AMBIGUOUS when several fit
 */
export function chooseHid(
  attached: readonly HidIdentity[],
  match: DeviceMatch,
  wanted: readonly WantedUsage[] = [],
): HidIdentity {
  const matching = attached.filter((each) => matchesDevice(match, each));
  if (matching.length === 0) throw new StammkundeError('DRV_PORT_ABSENT', absent(attached, match));
  const told = matching.filter((each) => each.usagePage !== undefined);
  const fitting =
    wanted.length === 0 || told.length === 0
      ? matching
      : told.filter((each) => wanted.some((usage) => isUsage(each, usage)));
  const interfaces = fitting.filter(
    (each, index) => fitting.findIndex(({ path }) => path === each.path) === index,
  );
  const [only, ...others] = interfaces;
  if (only === undefined) {
    throw new StammkundeError(
      'DRV_HID_MODE',
      `${nameOf(match)} is attached but offers ${usagesOf(told)} instead of ${wanted.map(shown).join(' or ')}`,
    );
  }
  if (others.length > 0) {
    throw new StammkundeError(
      'DRV_AMBIGUOUS',
      `${interfaces.length} attached devices are ${nameOf(match)}: ${interfaces.map(traits).join('; ')}`,
    );
  }
  return only;
}

function isUsage(each: HidIdentity, wanted: WantedUsage): boolean {
  return each.usagePage === wanted.page && (wanted.id === undefined || wanted.id === each.usage);
}

function absent(attached: readonly HidIdentity[], match: DeviceMatch): string {
  const near = attached.filter(
    (each) => each.vendorId === match.vendorId && each.productId === match.productId,
  );
  if (near.length === 0) return `${nameOf(match)} is not attached`;
  return `${nameOf(match)} is not attached, but ${[...new Set(near.map(traits))].join('; ')} is`;
}

function nameOf(match: DeviceMatch): string {
  const more = [
    match.serialNumber === undefined ? undefined : `serial number ${match.serialNumber}`,
    match.interface === undefined ? undefined : `interface ${match.interface}`,
    match.usbPort === undefined ? undefined : `USB port ${match.usbPort}`,
  ].filter((each) => each !== undefined);
  return [`${hex4(match.vendorId)}:${hex4(match.productId)}`, ...more].join(', ');
}

/** What tells equal devices apart. */
function traits(each: HidIdentity): string {
  return [
    `serial number ${each.serialNumber ?? 'none'}`,
    `USB port ${each.usbPort ?? 'not known'}`,
    `interface ${each.interfaceNumber ?? 'not known'}`,
  ].join(', ');
}

function usagesOf(told: readonly HidIdentity[]): string {
  const all = told.map((each) => shown({ page: each.usagePage ?? 0, id: each.usage ?? 0 }));
  return [...new Set(all)].join(' and ');
}

function shown({ page, id }: WantedUsage): string {
  return `usage page ${hex4(page)}${id === undefined ? '' : ` usage ${hex4(id)}`}`;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
