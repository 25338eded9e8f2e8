import type { TenantId, TillId } from './ids.ts';

/** In place of a till's name in a subscription of the server. */
export const ANY_TILL = '+';

/**
 * A filter whose messages go to one of those who name the same group (MQTT 5, 4.8.2; brokers offer it to MQTT 3.1.1 as
 * well). Brokers there are that let anybody into a group and deny only what they then deliver, which is lost: a group's
 * name must be known to its members alone.
 */
export function sharedFilter(group: string, filter: string): string {
  return `$share/${group}/${filter}`;
}

/** Version of topics and payloads; a change that older programs cannot read raises it. */
export const WIRE_VERSION = 1;

/** Where things travel, below `stammkunde/v1/{tenant}/`. */
export interface Topics {
  journal(till: TillId): string;
  receipt(till: TillId): string;
  request(till: TillId): string;
  response(till: TillId): string;
  state(till: TillId): string;
  command(till: TillId): string;
  readonly feedHead: string;
  readonly feedUrgent: string;
  /** The till named in one of the topics a till publishes on, or undefined for any other topic. */
  tillOf(topic: string): TillId | undefined;
}

export function topicsOf(tenant: TenantId): Topics {
  const root = `stammkunde/v${WIRE_VERSION}/${tenant}`;
  const ofTill = new RegExp(`^${root}/([a-z0-9][a-z0-9-]{0,31})/(?:journal|request|state)$`);
  return {
    journal: (till) => `${root}/${till}/journal`,
    receipt: (till) => `${root}/${till}/receipt`,
    request: (till) => `${root}/${till}/request`,
    response: (till) => `${root}/${till}/response`,
    state: (till) => `${root}/${till}/state`,
    command: (till) => `${root}/${till}/command`,
    feedHead: `${root}/feed/head`,
    feedUrgent: `${root}/feed/urgent`,
    tillOf: (topic) => ofTill.exec(topic)?.[1],
  };
}
