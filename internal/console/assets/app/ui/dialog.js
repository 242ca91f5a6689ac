// A dialog of the browser's own: it keeps the focus inside, Escape closes it, and the focus goes back to where it was.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { Notice } from "./parts.js";

let number = 0;

/** What submit throws if a field says already what is wrong with it. */
export class FieldProblem extends Error {}

/**
 * A dialog with a form. submit answers a promise: while it runs the button waits, if it fails the reason is shown, and if it
 * succeeds the dialog closes.
 */
export function Dialog({ title, submitLabel, destructive = false, submit, onClose, children }) {
  const dialog = useRef(null);
  const [id] = useState(() => `dialog-${++number}`);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);

  useEffect(() => {
    const opener = document.activeElement;
    dialog.current.showModal();
    return () => { if (opener?.isConnected) opener.focus(); };
  }, []);

  const onSubmit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await submit();
      onClose();
    } catch (failure) {
      setError(failure instanceof FieldProblem ? null : failure);
      setBusy(false);
    }
  };

  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby=${id} onClose=${onClose}
      onCancel=${(event) => busy && event.preventDefault()}>
      <form onSubmit=${onSubmit} novalidate>
        <h2 id=${id}>${title}</h2>
        ${children}
        ${error && html`<${Problem} error=${error} />`}
        <div class="dialog-actions">
          <button type="button" class="button" onClick=${onClose} disabled=${busy}>Cancel</button>
          <button type="submit" class=${`button ${destructive ? "destructive" : "primary"}`} aria-disabled=${busy ? "true" : undefined}>
            ${busy ? "Working…" : submitLabel}
          </button>
        </div>
      </form>
    </dialog>`;
}

const Problem = ({ error }) => html`
  <${Notice} kind="danger" role="alert">
    <p>${error.message}</p>
    ${error.refused && html`<p>Only owners and admins may do this. Ask one of them.</p>`}
    ${error.code === "unavailable" && html`<p>It may or may not have been done. Send it again: it is never done twice.</p>`}
  <//>`;
