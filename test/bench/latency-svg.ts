import type { IdentifyReport } from './identify.ts';

/** What is drawn of a run of the identify benchmark. */
export type LatencyPoint = Pick<IdentifyReport, 'customers' | 'pty' | 'daemon' | 'floor'>;

const WIDTH = 760;
const HEIGHT = 440;
const PLOT = { left: 64, right: 540, top: 64, bottom: 376 } as const;
/** Ticks of the ms axis; only those within the drawn range are shown. */
const MS_TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
/** Between two labels at the ends of lines. */
const LABEL_PX = 16;

interface Series {
  readonly label: string;
  readonly colour: 'a' | 'b' | 'c';
  readonly dashed: boolean;
  readonly valueMs: (point: LatencyPoint) => number;
}

const series: readonly Series[] = [
  { label: 'scan → event at the POS, p99', colour: 'a', dashed: true, valueMs: ({ pty }) => pty.p99Ms },
  { label: 'scan → event at the POS, p50', colour: 'a', dashed: false, valueMs: ({ pty }) => pty.p50Ms },
  { label: 'within the daemon, p99', colour: 'b', dashed: true, valueMs: ({ daemon }) => daemon.p99Ms },
  { label: 'within the daemon, p50', colour: 'b', dashed: false, valueMs: ({ daemon }) => daemon.p50Ms },
  {
    label: 'floor: hash and two reads, p50',
    colour: 'c',
    dashed: false,
    valueMs: ({ floor }) => floor.p50Ms,
  },
];

/**
 * Latency against customers, both on logarithmic axes, as an SVG that suits light and dark pages. No fonts, scripts or
 * files are needed beside it.
 */
export function latencySvg(reports: readonly LatencyPoint[]): string {
  const points = reports.toSorted((a, b) => a.customers - b.customers);
  const values = points.flatMap((point) => series.map(({ valueMs }) => valueMs(point)));
  const x = logScale(
    points.map(({ customers }) => customers),
    PLOT.left + 24,
    PLOT.right - 24,
  );
  const range = [atMost(Math.min(...values)), atLeast(Math.max(...values))];
  const y = logScale(range, PLOT.bottom, PLOT.top);
  const [low = 0, high = 0] = range;

  const grid = MS_TICKS.filter((ms) => ms >= low && ms <= high).flatMap((ms) => [
    `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${px(y(ms))}" y2="${px(y(ms))}"/>`,
    `<text class="tick" x="${PLOT.left - 8}" y="${px(y(ms) + 4)}" text-anchor="end">${ms}</text>`,
  ]);
  const columns = points.flatMap(({ customers }) => [
    `<line class="grid" x1="${px(x(customers))}" x2="${px(x(customers))}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>`,
    `<text class="tick" x="${px(x(customers))}" y="${PLOT.bottom + 20}" text-anchor="middle">${customers.toLocaleString('en')}</text>`,
  ]);
  const last = points.at(-1);
  const labelsY = apart(series.map(({ valueMs }) => (last === undefined ? 0 : y(valueMs(last)))));
  const lines = series.flatMap(({ label, colour, dashed, valueMs }, nth) => {
    const places = points.map((point) => `${px(x(point.customers))},${px(y(valueMs(point)))}`);
    const marks = points.map(
      (point) =>
        `<circle class="${colour}" cx="${px(x(point.customers))}" cy="${px(y(valueMs(point)))}" r="3"><title>${point.customers.toLocaleString('en')} customers, ${label}: ${valueMs(point)} ms</title></circle>`,
    );
    return [
      `<polyline class="line ${colour}"${dashed ? ' stroke-dasharray="6 4"' : ''} points="${places.join(' ')}"/>`,
      ...marks,
      `<text class="label ${colour}" x="${PLOT.right}" y="${px((labelsY[nth] ?? 0) + 4)}">${label}</text>`,
    ];
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title about">`,
    '<title id="title">How long identification takes, by the number of customers on the till</title>',
    `<desc id="about">${described(points)}</desc>`,
    style,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="8"/>`,
    `<text class="head" x="${PLOT.left}" y="32">Identification, by the number of customers on the till</text>`,
    `<text class="tick" x="${PLOT.left - 8}" y="${PLOT.top - 14}" text-anchor="end">ms</text>`,
    `<text class="tick" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 44}" text-anchor="middle">customers</text>`,
    ...grid,
    ...columns,
    ...lines,
    '</svg>',
  ].join('\n')}\n`;
}

const style = `<style>
  text { font: 13px system-ui, sans-serif; }
  .page { fill: #ffffff; } .head { fill: #1f2328; font-weight: 600; font-size: 15px; } .tick { fill: #59636e; }
  .grid { stroke: #d1d9e0; stroke-width: 1; } .line { fill: none; stroke-width: 2; } .label { font-size: 12px; }
  .line.a { stroke: #0550ae; } circle.a, .label.a { fill: #0550ae; }
  .line.b { stroke: #953800; } circle.b, .label.b { fill: #953800; }
  .line.c { stroke: #59636e; } circle.c, .label.c { fill: #59636e; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } .head { fill: #f0f6fc; } .tick { fill: #9198a1; } .grid { stroke: #30363d; }
    .line.a { stroke: #79c0ff; } circle.a, .label.a { fill: #79c0ff; }
    .line.b { stroke: #ffa657; } circle.b, .label.b { fill: #ffa657; }
    .line.c { stroke: #9198a1; } circle.c, .label.c { fill: #9198a1; }
  }
</style>`;

function described(points: readonly LatencyPoint[]): string {
  return points
    .map(
      ({ customers, pty, daemon }) =>
        `${customers.toLocaleString('en')} customers: event after ${pty.p50Ms} ms (p50) and ${pty.p99Ms} ms (p99), ` +
        `within the daemon ${daemon.p50Ms} and ${daemon.p99Ms} ms.`,
    )
    .join(' ');
}

function logScale(domain: readonly number[], from: number, to: number): (value: number) => number {
  const [low, high] = [Math.log10(Math.min(...domain)), Math.log10(Math.max(...domain))];
  return (value) =>
    high === low ? (from + to) / 2 : from + ((Math.log10(value) - low) / (high - low)) * (to - from);
}

function atMost(ms: number): number {
  return MS_TICKS.findLast((tick) => tick <= ms) ?? ms;
}

function atLeast(ms: number): number {
  return MS_TICKS.find((tick) => tick >= ms) ?? ms;
}

/** Moves labels down, in their order from the top, until none covers another. */
function apart(wanted: readonly number[]): number[] {
  const placed = [...wanted];
  const order = [...wanted.keys()].sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  let free = -Infinity;
  for (const nth of order) {
    placed[nth] = Math.max(wanted[nth] ?? 0, free);
    free = (placed[nth] ?? 0) + LABEL_PX;
  }
  return placed;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
