// Small pieces that several pages are made of.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { initials, percent } from "../format.js";
import { isFinal } from "../live.js";
import { Icon } from "./icons.js";

/** The head of a page: its only first-level heading, a line below it, and what one can do with the whole page. */
export const PageHead = ({ title, children, actions }) => html`
  <header class="page-head">
    <div class="page-head-text">
      <h1 tabindex="-1">${title}</h1>
      ${children && html`<p class="muted">${children}</p>`}
    </div>
    ${actions && html`<div class="page-actions">${actions}</div>`}
  </header>`;

/** A card with a second-level heading. */
export function Card({ title, hint, actions, busy, children }) {
  return html`
    <section class="card" aria-label=${title} aria-busy=${busy ? "true" : "false"}>
      <div class="card-head">
        <div class="card-head-text">
          <h2>${title}</h2>
          ${hint && html`<p class="muted small">${hint}</p>`}
        </div>
        ${actions && html`<div class="row">${actions}</div>`}
      </div>
      ${children}
    </section>`;
}

/** A text that glows for a moment when it changes. */
export function Moving({ children, class: name = "" }) {
  const text = [children].flat().join("");
  const before = useRef(text);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (before.current === text) return;
    before.current = text;
    setTurn((n) => n + 1);
  }, [text]);
  return html`<span key=${turn} class=${`${name} ${turn ? "moved" : ""}`}>${text}</span>`;
}

/** Figures with what they are. */
export const Figures = ({ items }) => html`
  <dl class="figures">
    ${items.map(({ name, value, title }) => html`
      <div class="figure" key=${name} title=${title}><dt>${name}</dt><dd><${Moving}>${value}<//></dd></div>`)}
  </dl>`;

/**
 * A bar of parts of a whole, each {amount, kind}. level "near" and "full" colour it; text says the same in words, which is
 * what a screen reader hears.
 */
export function Bar({ label, text, whole, parts, level = "", thin = false }) {
  const used = parts.reduce((sum, p) => sum + p.amount, 0n);
  return html`
    <div class=${`bar ${level} ${thin ? "thin" : ""}`} role="meter" aria-label=${label} aria-valuetext=${text}
      aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent(used, whole)}>
      ${parts.map((p, i) => html`<div key=${i} class=${`bar-fill ${p.kind}`} style=${{ width: `${percent(p.amount, whole)}%` }}></div>`)}
    </div>`;
}

/** "full" at the limit, "near" from four fifths on, else "". */
export function levelOf(used, whole) {
  if (used >= whole) return "full";
  return used * 5n >= whole * 4n ? "near" : "";
}

const tones = 4;

/**
 * A picture of a member, or initials where there is none or it cannot be drawn. Pictures of other origins are not loaded: the
 * page asks nobody but its server.
 */
export function Avatar({ name, url }) {
  const [failed, setFailed] = useState("");
  if (url && url !== failed && mayDraw(url)) {
    return html`<img class="avatar" src=${url} alt="" width="36" height="36" loading="lazy" onError=${() => setFailed(url)} />`;
  }
  const tone = [...name].reduce((sum, c) => sum + c.codePointAt(0), 0) % tones;
  return html`<span class=${`avatar tone-${tone}`} aria-hidden="true">${initials(name)}</span>`;
}

const aPicture = /^data:image\/(png|jpeg|webp|gif);base64,/;

/** Whether a picture is in its address, or on this page's own server. */
function mayDraw(url) {
  if (aPicture.test(url)) return true;
  try {
    return new URL(url, location.href).origin === location.origin;
  } catch {
    return false;
  }
}

/** Something to know, with a picture: kind is info, good, warn or danger. */
export const Notice = ({ kind = "info", children, role }) => html`
  <div class=${`notice ${kind}`} role=${role}>
    <${Icon} name=${{ danger: "stop" }[kind] ?? kind} />
    <div class="notice-body">${children}</div>
  </div>`;

/** A button that shows that it works on it, and takes no second click meanwhile. */
export function Button({ busy, children, class: name = "", ...rest }) {
  return html`
    <button type="button" class=${`button ${name} ${busy ? "turning" : ""}`} aria-disabled=${busy ? "true" : undefined}
      ...${rest} onClick=${(event) => (busy ? event.preventDefault() : rest.onClick?.(event))}>${children}</button>`;
}

/** Choices of which one holds. */
export const Segments = ({ label, value, choices, onChoose }) => html`
  <div class="segments" role="group" aria-label=${label}>
    ${choices.map(([key, text]) => html`
      <button type="button" key=${key} class="segment" aria-pressed=${key === value ? "true" : "false"}
        onClick=${() => onChoose(key)}>${text}</button>`)}
  </div>`;

/** Says whether the figures move and, where they do not, why and what to do. */
export function LiveNote({ live }) {
  const failing = Boolean(live.error && live.data);
  const text = failing ? `Not up to date. ${live.error.message}${isFinal(live.error) ? "" : " Trying again."}` : "Live";
  return html`
    <span class=${`live-note ${failing ? "failing" : ""}`} role="status"><span class="live-dot" aria-hidden="true"></span>${text}</span>
    ${failing && html`<${Button} class="small" onClick=${live.refresh}>Try now<//>`}`;
}
