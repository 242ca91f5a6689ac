// Members: who may draw on the pool, what each has drawn, and the allowance of each seat. Everybody reads; owners and admins act.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { counted, exact, micros, money } from "../format.js";
import { useLive } from "../live.js";
import { useSession } from "../session.js";
import { Icon } from "../ui/icons.js";
import { Avatar, Button, Card, LiveNote, PageHead } from "../ui/parts.js";
import { show, State } from "../ui/states.js";
import { Pager, Table } from "../ui/table.js";
import { AllowanceBar, accessText, capReached, GrantDialog, kindOf, nameOf, RevokeDialog } from "./access.js";

const pageSize = 25;
const typingPause = 250;

/** What can be sorted by: names from A, amounts from the largest. */
const orders = {
  name: { wire: "MEMBER_ORDER_NAME", text: "Name", descending: false },
  period: { wire: "MEMBER_ORDER_POOL_USED_PERIOD", text: "Drawn this month", descending: true },
  lifetime: { wire: "MEMBER_ORDER_POOL_USED_LIFETIME", text: "Drawn, lifetime", descending: true },
  allowance: { wire: "MEMBER_ORDER_ALLOWANCE_USED_PERIOD", text: "Allowance used", descending: true },
};

export function MembersPage() {
  const session = useSession();
  const list = useMemberList(session.organizationId);
  const [dialog, setDialog] = useState(null);
  const close = () => setDialog(null);
  const done = async (member) => {
    await list.live.refresh();
    requestAnimationFrame(() => keepFocus(member));
  };
  return html`
    <${PageHead} title="Members" actions=${html`<${LiveNote} live=${list.live} /><a class="button" href="/download/members.csv" download><${Icon} name="download" />CSV</a>`}>
      ${session.administers
        ? "Who may draw on the pool once the own allowance is used, and what each has drawn. Grant, adjust and revoke it here."
        : "Who may draw on the pool once the own allowance is used. Owners and admins grant it."}
    <//>
    <${Card} title="Seats" hint=${list.live.data ? counted(list.total, "member") + (list.search ? " found" : "") : ""} busy=${list.live.loading}>
      <${Tools} list=${list} />
      ${show(list.live, (data) => (data.members?.length
        ? html`<${MemberTable} members=${data.members} list=${list} open=${(kind, member) => setDialog({ kind, member })} />`
        : html`<${Nobody} list=${list} />`), { lines: 8, what: "the members" })}
      <${Pager} page=${list.page} pages=${Math.ceil(Number(list.total) / pageSize)} onPage=${list.goTo} label="Pages of members" />
    <//>
    ${dialog?.kind === "grant" && html`<${GrantDialog} member=${dialog.member} onClose=${close} onDone=${done} />`}
    ${dialog?.kind === "revoke" && html`<${RevokeDialog} member=${dialog.member} onClose=${close} onDone=${done} />`}`;
}

/** What was done may have taken away the button it was done with: then the focus goes to the one beside it. */
function keepFocus(member) {
  if (document.activeElement && document.activeElement !== document.body) return;
  (document.getElementById(actionId(member)) ?? document.querySelector("h1")).focus();
}

/** One page of the members at a time, searched and sorted by the server: there may be ten thousand. */
function useMemberList(organizationId) {
  const [typed, setTyped] = useState("");
  const [question, setQuestion] = useState({ search: "", order: "name" });
  const [tokens, setTokens] = useState([""]);
  const ask = (change) => { setQuestion((q) => ({ ...q, ...change })); setTokens([""]); };

  useEffect(() => {
    if (typed === question.search) return undefined;
    const timer = setTimeout(() => ask({ search: typed }), typingPause);
    return () => clearTimeout(timer);
  }, [typed]);

  const pageToken = tokens.at(-1);
  const live = useLive((signal) => call("OrganizationService/ListMembers", {
    organizationId, pageSize, pageToken, search: question.search.trim(), orderBy: orders[question.order].wire,
  }, { signal }), [organizationId, question.search, question.order, pageToken], { keep: true });

  const goTo = (page) => {
    if (page < tokens.length - 1) setTokens(tokens.slice(0, page + 1));
    else if (live.data?.nextPageToken) setTokens([...tokens, live.data.nextPageToken]);
  };
  return {
    live, goTo, typed, page: tokens.length - 1, total: micros(live.data?.totalSize),
    search: question.search, order: question.order,
    setTyped, setOrder: (order) => ask({ order }), clear: () => { setTyped(""); ask({ search: "" }); },
  };
}

const Tools = ({ list }) => html`
  <form class="tools" role="search" onSubmit=${(event) => event.preventDefault()}>
    <div class="field grow">
      <label for="member-search">Search members</label>
      <div class="search">
        <${Icon} name="search" />
        <input class="input" id="member-search" type="search" maxlength="128" autocomplete="off" placeholder="Name, email or id"
          value=${list.typed} onInput=${(event) => list.setTyped(event.target.value)} />
      </div>
    </div>
    <div class="field only-narrow">
      <label for="member-order">Sort by</label>
      <select class="select" id="member-order" value=${list.order} onChange=${(event) => list.setOrder(event.target.value)}>
        ${Object.entries(orders).map(([key, order]) => html`<option key=${key} value=${key}>${order.text}</option>`)}
      </select>
    </div>
  </form>`;

const Nobody = ({ list }) => (list.search
  ? html`<${State} icon="search" title=${`Nobody matches “${list.search}”`} actions=${html`<${Button} onClick=${list.clear}>Show everybody<//>`}>
      The search looks at names, email addresses and ids.<//>`
  : html`<${State} icon="members" title="No members yet">
      Members appear here as soon as your organization’s administration adds them.<//>`);

function MemberTable({ members, list, open }) {
  const { administers, unit } = useSession();
  const columns = [
    { key: "name", title: "Member", head: true, sortable: true, cell: (m) => html`<${Person} member=${m} />` },
    { key: "access", title: "Access to the pool", cell: (m) => html`<${AccessBadge} member=${m} unit=${unit} />` },
    { key: "period", title: "Drawn this month", number: true, sortable: true, cell: (m) => html`<${Amount} amount=${m.poolUsedPeriodMicros} unit=${unit} />` },
    { key: "lifetime", title: "Drawn, lifetime", number: true, sortable: true, cell: (m) => html`<${Amount} amount=${m.poolUsedLifetimeMicros} unit=${unit} />` },
    { key: "allowance", title: "Own allowance", sortable: true, cell: (m) => html`<${AllowanceBar} member=${m} unit=${unit} />` },
  ];
  if (administers) columns.push({ key: "act", title: "Actions", quiet: true, cell: (m) => html`<${Actions} member=${m} open=${open} />` });
  const { rows, hold } = useSteadyRows(members, `${list.order} ${list.search} ${list.page}`);
  return html`
    <div ...${hold}>
      <${Table} caption=${`Members, sorted by ${orders[list.order].text.toLowerCase()}`} columns=${columns} rows=${rows}
        keyOf=${(m) => m.memberId} sort=${{ key: list.order, descending: orders[list.order].descending }} onSort=${list.setOrder} />
    </div>`;
}

/** The members in their order, which does not change under the pointer: else a click could hit somebody else. */
function useSteadyRows(members, question) {
  const steady = useRef(false);
  const shown = useRef({ question, ids: [] });
  const place = new Map(shown.current.ids.map((id, i) => [id, i]));
  const keeps = steady.current && shown.current.question === question;
  const rows = keeps ? [...members].sort((a, b) => (place.get(a.memberId) ?? Infinity) - (place.get(b.memberId) ?? Infinity) || 0) : members;
  shown.current = { question, ids: rows.map((m) => m.memberId) };
  const set = (value) => () => { steady.current = value; };
  return { rows, hold: { onPointerEnter: set(true), onPointerLeave: set(false), onfocusin: set(true), onfocusout: set(false) } };
}

const Amount = ({ amount, unit }) => html`<span title=${exact(amount, unit)}>${money(amount, unit)}</span>`;

const Person = ({ member }) => html`
  <div class="person">
    <${Avatar} name=${nameOf(member)} url=${member.avatarUrl} />
    <div class="person-text">
      <div class="person-name">${nameOf(member)}
        ${member.role === "ROLE_OWNER" && html`<span class="badge accent">Owner</span>`}
        ${member.role === "ROLE_ADMIN" && html`<span class="badge accent">Admin</span>`}
        ${member.state === "MEMBER_STATE_REMOVED" && html`<span class="badge">Removed</span>`}
      </div>
      <div class="person-mail"><${Mail} text=${member.email || member.memberId} /></div>
    </div>
  </div>`;

/** An address that, where it is too long, breaks before the sign that everybody knows. */
const Mail = ({ text }) => text.split("@").map((part, i) => (i ? html`<wbr />@${part}` : part));

const tones = { CAPPED: "accent", UNLIMITED: "good", NONE: "" };

function AccessBadge({ member, unit }) {
  const { access } = member;
  if (!capReached(member)) return html`<span class=${`badge ${tones[kindOf(access)]}`}>${accessText(access, unit)}</span>`;
  return html`<span class="badge danger">${accessText(access, unit)}</span> <span class="small danger nowrap">limit reached</span>`;
}

const actionId = (member) => `act-${member.memberId}`;

/** What may be done to one's access. A solo individual needs none; a removed member starts no turn that could draw. */
function Actions({ member, open }) {
  const granted = kindOf(member.access) !== "NONE";
  const of = html`<span class="visually-hidden"> ${granted ? "the access of" : "to"} ${nameOf(member)}</span>`;
  return html`
    <div class="cell-actions">
      ${(granted || member.state !== "MEMBER_STATE_REMOVED") && html`
        <${Button} class="small" id=${actionId(member)} onClick=${() => open("grant", member)}>${granted ? "Adjust" : "Grant access"}${of}<//>`}
      ${granted && html`<${Button} class="small" onClick=${() => open("revoke", member)}>Revoke${of}<//>`}
    </div>`;
}
