// The page's few pictures, drawn in the colour of the text beside them. They say nothing on their own.
import { html } from "../../vendor/preact-htm.js";

const paths = {
  usage: "M4 20V10m6 10V4m6 16v-7m4 7H2",
  pool: "M12 3c4 4.6 6.5 7.7 6.5 11a6.5 6.5 0 0 1-13 0C5.5 10.7 8 7.6 12 3Zm-3 11.5a3 3 0 0 0 3 3",
  members: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-6.5 9c.5-4 3-6 6.5-6s6 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.2M18 14.5c2 .8 3.2 2.7 3.5 5.5",
  me: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7.5 9c.6-4.5 3.5-6.5 7.5-6.5s6.9 2 7.5 6.5",
  reports: "M4 4v16h16M8 15l4-5 3 3 5-7",
  refresh: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v2m0 16v2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4M2 12h2m16 0h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  out: "M14 4H5v16h9m-3-8h10m-4-4 4 4-4 4",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-10v6m0-9.5v.1",
  warn: "M12 4 2.5 20.5h19L12 4Zm0 6v5m0 2.8v.1",
  stop: "M8 3h8l5 5v8l-5 5H8l-5-5V8l5-5Zm1 6 6 6m0-6-6 6",
  good: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm-4-9 3 3 5-6",
  empty: "M4 13h4l1.5 3h5L16 13h4M4 13l3-8h10l3 8v6H4v-6Z",
  lock: "M6 11h12v9H6v-9Zm2.5 0V8a3.5 3.5 0 0 1 7 0v3",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 4.5 4.5",
  download: "M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 20h14",
  cart: "M3 4h2.5l2 11h10l2.5-8H6.5M9 20v.1M16.5 20v.1",
  close: "M6 6l12 12M18 6 6 18",
  up: "M12 19V6m-5 5 5-5 5 5",
  down: "M12 5v13m5-5-5 5-5-5",
};

/** A picture by name. */
export const Icon = ({ name }) => html`
  <svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" fill="none" stroke="currentColor"
    stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"><path d=${paths[name]} /></svg>`;

/** The mark of the product. */
export const Mark = () => html`
  <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="8" fill="#0b5fc4" />
    <path d="M7 11c3 0 3 2.5 6 2.5S16 11 19 11s3 2.5 6 2.5M7 17c3 0 3 2.5 6 2.5S16 17 19 17s3 2.5 6 2.5"
      fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" />
  </svg>`;
