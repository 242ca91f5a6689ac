// Says what was done: to the eye as a note in the corner, to a screen reader through a live region that is always there.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { Icon } from "./icons.js";

const said = new EventTarget();
const shownFor = 8000;
let number = 0;

/** Says what was done. */
export const announce = (text) => said.dispatchEvent(new CustomEvent("say", { detail: text }));

/** Where it is said. */
export function Announcements() {
  const [notes, setNotes] = useState([]);
  const drop = (id) => setNotes((all) => all.filter((n) => n.id !== id));
  useEffect(() => {
    const onSay = ({ detail }) => {
      const id = ++number;
      setNotes((all) => [...all.slice(-2), { id, text: detail }]);
      setTimeout(() => drop(id), shownFor);
    };
    said.addEventListener("say", onSay);
    return () => said.removeEventListener("say", onSay);
  }, []);
  return html`
    <div class="toasts" role="status" aria-live="polite">
      ${notes.map((n) => html`
        <div key=${n.id} class="toast">
          <p>${n.text}</p>
          <button type="button" class="button plain icon small" aria-label="Dismiss" onClick=${() => drop(n.id)}><${Icon} name="close" /></button>
        </div>`)}
    </div>`;
}
