// Plots in SVG: bars by day, and a line over time. Amounts stay BigInt until they become a length. A plot is one picture with
// a name and a summary; arrow keys and the pointer walk along it, and the line above it reads out where they are.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-htm.js";

const height = 230;
const margin = { top: 12, right: 8, bottom: 26, left: 62 };

/** How wide an element is, as it changes. */
function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(640);
  useLayoutEffect(() => setWidth(Math.max(240, ref.current.clientWidth)), []);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.round(entry.contentRect.width))));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Round steps from 0 up to the first one at or above most, in micros. */
function scaleTo(most) {
  const steps = [1n, 2n, 5n];
  let power = 1n;
  for (let i = 0; ; i++) {
    const step = steps[i % 3] * power;
    if (step * 4n >= most) return Array.from({ length: Number((most + step - 1n) / step) + 1 }, (_, n) => BigInt(n) * step);
    if (i % 3 === 2) power *= 10n;
  }
}

const length = (part, whole, pixels) => (whole > 0n ? (Number((part * 100_000n) / whole) / 100_000) * pixels : 0);

function Frame({ title, summary, legend, readout, children, count, chosen, onChoose, reference }) {
  const onKeyDown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const edge = { Home: 0, End: count - 1 }[event.key];
    if (step === undefined && edge === undefined) return;
    event.preventDefault();
    const from = chosen ?? (step > 0 ? -1 : count);
    onChoose(Math.min(count - 1, Math.max(0, edge ?? from + step)));
  };
  return html`
    <figure class="plot stack">
      ${legend && html`<ul class="legend">${legend.map((l) => html`
        <li key=${l.key}><span class=${`swatch fill-${l.key}`} aria-hidden="true"></span>${l.name}</li>`)}</ul>`}
      <output class="plot-readout" aria-live="polite">${readout}</output>
      <div class="plot-area" ref=${reference} tabindex="0" role="img" aria-label=${`${title}. ${summary} Use the arrow keys to read it point by point.`}
        onKeyDown=${onKeyDown} onPointerLeave=${() => onChoose(null)} onBlur=${() => onChoose(null)}>${children}</div>
    </figure>`;
}

const Grid = ({ ticks, top, width, format }) => html`
  <g aria-hidden="true">
    ${ticks.map((t) => {
      const y = height - margin.bottom - length(t, top, height - margin.top - margin.bottom);
      return html`
        <g key=${t}>
          <line class=${t === 0n ? "plot-base" : "plot-grid"} x1=${margin.left} x2=${width - margin.right} y1=${y} y2=${y} />
          <text class="plot-text" x=${margin.left - 8} y=${y + 4} text-anchor="end">${format(t)}</text>
        </g>`;
    })}
  </g>`;

/** Which of so many labels fit below, at least so many pixels apart; the last one always. */
function fitting(n, pixels, apart = 68) {
  const every = Math.max(1, Math.ceil((n * apart) / pixels));
  return (i) => (n - 1 - i) % every === 0;
}

/**
 * Stacked columns. columns are {key, tick, name, parts: {kind: micros}}, kinds are {key, name} from the bottom up.
 */
export function ColumnPlot({ title, summary, columns, kinds, format, formatTick }) {
  const [reference, width] = useWidth();
  const [chosen, setChosen] = useState(null);
  const totals = columns.map((c) => kinds.reduce((sum, k) => sum + c.parts[k.key], 0n));
  const ticks = scaleTo(totals.reduce((a, b) => (a > b ? a : b), 1n));
  const top = ticks.at(-1);
  const inner = width - margin.left - margin.right;
  const slot = inner / columns.length;
  const shown = fitting(columns.length, inner);
  const picked = columns[chosen];
  const readout = picked
    ? `${picked.name}: ${format(totals[chosen])}${kinds.length > 1 ? ` (${kinds.map((k) => `${k.name.toLowerCase()} ${format(picked.parts[k.key])}`).join(", ")})` : ""}`
    : summary;
  return html`
    <${Frame} title=${title} summary=${summary} legend=${kinds} readout=${readout} count=${columns.length} chosen=${chosen}
      onChoose=${setChosen} reference=${reference}>
      <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} aria-hidden="true" focusable="false">
        <${Grid} ticks=${ticks} top=${top} width=${width} format=${formatTick} />
        ${columns.map((c, i) => html`
          <g key=${c.key} class=${`plot-column ${i === chosen ? "chosen" : ""}`} onPointerEnter=${() => setChosen(i)}>
            <rect class="plot-hit" x=${margin.left + i * slot} y=${margin.top} width=${slot} height=${height - margin.top - margin.bottom} />
            ${stack(c, kinds, top, margin.left + i * slot + slot * 0.16, Math.min(slot * 0.68, 44), slot)}
            ${shown(i) && html`<text class="plot-text" x=${margin.left + (i + 0.5) * slot} y=${height - 8} text-anchor="middle">${c.tick}</text>`}
          </g>`)}
      </svg>
    <//>`;
}

function stack(column, kinds, top, left, wide, slot) {
  const inner = height - margin.top - margin.bottom;
  const x = left + Math.max(0, (slot * 0.68 - wide) / 2);
  let base = 0n;
  return kinds.map((k) => {
    const high = length(column.parts[k.key], top, inner);
    base += column.parts[k.key];
    const y = height - margin.bottom - length(base, top, inner);
    return html`<rect key=${k.key} class=${`fill-${k.key}`} x=${x} y=${y} width=${Math.max(1, wide)} height=${high} rx=${Math.min(2, high / 2)} />`;
  });
}

/**
 * A line over time, as stairs: a value stands until the next one. points are {at (milliseconds), value (micros), name, tick}
 * in order of time; rising steps are marked.
 */
export function StairPlot({ title, summary, points, format, formatTick }) {
  const [reference, width] = useWidth();
  const [chosen, setChosen] = useState(null);
  const ticks = scaleTo(points.reduce((most, p) => (p.value > most ? p.value : most), 1n));
  const top = ticks.at(-1);
  const inner = width - margin.left - margin.right;
  const first = points[0].at;
  const span = Math.max(1, points.at(-1).at - first);
  const x = (p) => margin.left + ((p.at - first) / span) * inner;
  const y = (p) => height - margin.bottom - length(p.value, top, height - margin.top - margin.bottom);
  const line = points.map((p, i) => (i === 0 ? `M${x(p)} ${y(p)}` : `H${x(p)}V${y(p)}`)).join("");
  const picked = points[chosen];
  const choose = (event) => {
    const at = event.offsetX ?? event.clientX - reference.current.getBoundingClientRect().left;
    setChosen(nearest(points.map(x), at));
  };
  return html`
    <${Frame} title=${title} summary=${summary} readout=${picked ? `${picked.name}: ${format(picked.value)}` : summary}
      count=${points.length} chosen=${chosen} onChoose=${setChosen} reference=${reference}>
      <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} aria-hidden="true" focusable="false" onPointerMove=${choose}>
        <${Grid} ticks=${ticks} top=${top} width=${width} format=${formatTick} />
        <path class="plot-wash" d=${`${line}V${height - margin.bottom}H${margin.left}Z`} />
        <path class="plot-line" d=${line} />
        ${labels(points, x, width).map((p) => html`
          <text key=${p.at} class="plot-text" x=${x(p)} y=${height - 8} text-anchor=${p.anchor}>${p.tick}</text>`)}
        ${picked && html`<line class="plot-cursor" x1=${x(picked)} x2=${x(picked)} y1=${margin.top} y2=${height - margin.bottom} />`}
        ${picked && html`<circle class="plot-point" cx=${x(picked)} cy=${y(picked)} r="5" />`}
        <rect class="plot-hit" x=${margin.left} y="0" width=${inner} height=${height} />
      </svg>
    <//>`;
}

function nearest(places, at) {
  let best = 0;
  places.forEach((p, i) => { if (Math.abs(p - at) < Math.abs(places[best] - at)) best = i; });
  return best;
}

/** The points that get a label: from the last one back, where there is room and the label is another one. */
function labels(points, x, width) {
  const chosen = [];
  let limit = Infinity;
  for (const p of [...points].reverse()) {
    if (x(p) > limit - 76 || chosen.at(-1)?.tick === p.tick) continue;
    chosen.push({ ...p, anchor: x(p) > width - 40 ? "end" : x(p) < margin.left + 20 ? "start" : "middle" });
    limit = x(p);
  }
  return chosen;
}

/** Bars side by side, the longest first: rows are {key, name, parts: {kind: micros}}. Names and amounts are text. */
export function RankPlot({ rows, kinds, format, label }) {
  const totals = rows.map((r) => kinds.reduce((sum, k) => sum + r.parts[k.key], 0n));
  const most = totals.reduce((a, b) => (a > b ? a : b), 1n);
  return html`
    <div class="stack">
      <ul class="legend">${kinds.map((k) => html`
        <li key=${k.key}><span class=${`swatch fill-${k.key}`} aria-hidden="true"></span>${k.name}</li>`)}</ul>
      <ol class="rank" aria-label=${label}>
        ${rows.map((r, i) => html`
          <li key=${r.key}>
            <div class="rank-head"><span class="rank-name" title=${r.name}>${r.name}</span><span class="number nowrap">${format(totals[i])}</span></div>
            <div class="rank-bar" aria-hidden="true">
              ${kinds.map((k) => html`<span key=${k.key} class=${`fill-${k.key}`} style=${{ width: `${length(r.parts[k.key], most, 100)}%` }}></span>`)}
            </div>
          </li>`)}
      </ol>
    </div>`;
}
