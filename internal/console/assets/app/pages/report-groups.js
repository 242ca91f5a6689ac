// Cost by member, model, conversation or label: the dearest as bars, all of them in the table beneath.
import { html, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { exact, money } from "../format.js";
import { once, useLive } from "../live.js";
import { RankPlot } from "../plot.js";
import { useSession } from "../session.js";
import { Icon } from "../ui/icons.js";
import { Button } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Pager, Table } from "../ui/table.js";
import { figureColumns, layersIn, partsOf } from "./figures.js";
import { csvPath, paceOf, spanFields, spanKey } from "./span.js";

const pageSize = 20;
const barsShown = 8;

const nouns = {
  MEMBER: { title: "Member", none: "no member" },
  MODEL: { title: "Model", none: "Model not named" },
  CONVERSATION: { title: "Conversation", none: "Conversation not named" },
  LABEL: { title: "Value", none: "Empty value" },
};

export function GroupReport({ span, group, labelKey, onLabel }) {
  if (group === "LABEL" && !labelKey) return html`<${LabelField} labelKey="" onLabel=${onLabel} />`;
  return html`
    ${group === "LABEL" && html`<${LabelField} labelKey=${labelKey} onLabel=${onLabel} />`}
    <${Report} key=${`${spanKey(span)} ${labelKey}`} span=${span} group=${group} labelKey=${group === "LABEL" ? labelKey : ""} />`;
}

function LabelField({ labelKey, onLabel }) {
  const [typed, setTyped] = useState(labelKey);
  return html`
    <form class="tools" onSubmit=${(event) => { event.preventDefault(); onLabel(typed.trim()); }}>
      <div class="field grow">
        <label for="label-key">Name of the label</label>
        <p class="muted small" id="label-help">As your assistant’s callers name it, such as team or project.</p>
        <input class="input" id="label-key" type="text" maxlength="64" autocomplete="off" value=${typed} onInput=${(e) => setTyped(e.target.value)} aria-describedby="label-help" />
      </div>
      <${Button} type="submit">Show<//>
    </form>`;
}

function Report({ span, group, labelKey }) {
  const { organizationId } = useSession();
  const [tokens, setTokens] = useState([""]);
  const pageToken = tokens.at(-1);
  const live = useLive((signal) => call("UsageService/ReportUsage", {
    organizationId, groupBy: `USAGE_GROUPING_${group}`, labelKey, order: "USAGE_ORDER_BY_COST", pageSize, pageToken, ...spanFields(span),
  }, { signal }), [organizationId, pageToken], { every: pageToken ? once : paceOf(span), keep: true });
  const goTo = (page) => setTokens(page < tokens.length ? tokens.slice(0, page + 1) : [...tokens, live.data.nextPageToken]);
  const pages = live.data?.nextPageToken ? Infinity : tokens.length;
  return html`
    <div class="stack" aria-busy=${live.loading ? "true" : "false"}>
      ${show(live, (data) => html`<${Rows} data=${data} group=${group} first=${tokens.length === 1} />`, { block: true, lines: 4, what: "this report" })}
      <${Pager} page=${tokens.length - 1} pages=${pages} onPage=${goTo} label="Pages of the report" />
      <div><a class="button small" href=${csvPath(span, group, labelKey)} download><${Icon} name="download" />CSV</a></div>
    </div>`;
}

function Rows({ data, group, first }) {
  const { unit } = useSession();
  const rows = data.rows ?? [];
  if (!rows.length) return html`<${State} icon="reports" title="No turns in this span">Choose a longer one, or another grouping.<//>`;
  const { title, none } = nouns[group];
  const name = (r) => r.displayName || r.value || none;
  return html`
    ${first && html`<${RankPlot} label=${`Cost by ${title.toLowerCase()}, the dearest first`} kinds=${layersIn(rows)} format=${(v) => money(v, unit)}
      rows=${rows.slice(0, barsShown).map((r) => ({ key: r.value, name: name(r), parts: partsOf(r.figures) }))} />`}
    <${Table} caption=${`Usage by ${title.toLowerCase()}, the dearest first`} rows=${rows} keyOf=${(r) => r.value} columns=${[
      { key: "name", title, head: true, cell: (r) => html`<span title=${r.value}>${name(r)}</span>` }, ...figureColumns(unit),
    ]} />
    ${data.unlabelled && hasTurns(data.unlabelled) && html`<p class="muted small">Turns without this label cost ${exact(data.unlabelled.actualMicros, unit)}.</p>`}`;
}

const hasTurns = (figures) => BigInt(figures.turns ?? 0) + BigInt(figures.failedTurns ?? 0) > 0n;
