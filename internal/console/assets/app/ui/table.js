// A table that is one on a wide screen and a list of cards on a phone. The roles are written out because a table laid out as
// cards would lose them.
import { html } from "../../vendor/preact-htm.js";
import { Icon } from "./icons.js";
import { Button } from "./parts.js";

/** A table of more columns becomes cards earlier. */
const manyColumns = 4;

/**
 * columns are {key, title, cell(row), number, head, sortable}; the one with head names the row. sort is {key, descending}
 * and onSort(key) asks for another.
 */
export function Table({ caption, columns, rows, keyOf, sort, onSort, busy = false }) {
  return html`
    <div class="table-frame" aria-busy=${busy ? "true" : "false"}>
      <table class=${`table ${columns.length > manyColumns ? "wide" : ""}`} role="table">
        <caption class="visually-hidden">${caption}</caption>
        <thead role="rowgroup">
          <tr role="row">${columns.map((c) => html`<${Head} key=${c.key} column=${c} sort=${sort} onSort=${onSort} />`)}</tr>
        </thead>
        <tbody role="rowgroup">
          ${rows.map((row) => html`<tr role="row" key=${keyOf(row)}>${columns.map((c) => cellOf(c, row))}</tr>`)}
        </tbody>
      </table>
    </div>`;
}

function Head({ column, sort, onSort }) {
  const sorted = sort?.key === column.key;
  const direction = sorted ? (sort.descending ? "descending" : "ascending") : undefined;
  const name = column.number ? "number-cell" : "";
  if (!column.sortable) {
    return html`<th role="columnheader" scope="col" class=${name}>
      ${column.quiet ? html`<span class="visually-hidden">${column.title}</span>` : column.title}</th>`;
  }
  return html`
    <th role="columnheader" scope="col" class=${name} aria-sort=${direction ?? "none"}>
      <button type="button" class="sort" onClick=${() => onSort(column.key)}>
        ${column.title}${sorted && html`<${Icon} name=${sort.descending ? "down" : "up"} />`}
      </button>
    </th>`;
}

function cellOf(column, row) {
  const name = column.number ? "number-cell" : "";
  if (column.head) return html`<th role="rowheader" scope="row" key=${column.key} class=${`${name} head-cell`}>${column.cell(row)}</th>`;
  return html`<td role="cell" key=${column.key} class=${name} data-title=${column.quiet ? "" : column.title}><div>${column.cell(row)}</div></td>`;
}

/** Goes through the pages of a list. */
export function Pager({ page, pages, onPage, label }) {
  if (pages <= 1 && page === 0) return null;
  return html`
    <nav class="pager" aria-label=${label}>
      <${Button} class="small" disabled=${page === 0} onClick=${() => onPage(page - 1)}>Previous<//>
      <span class="muted small" aria-live="polite">Page ${page + 1}${pages === Infinity ? "" : ` of ${pages}`}</span>
      <${Button} class="small" disabled=${page + 1 >= pages} onClick=${() => onPage(page + 1)}>Next<//>
    </nav>`;
}
