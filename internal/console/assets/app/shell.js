// The frame around the pages: where one is, who one is, and the way out.
import { html, useState } from "../vendor/preact-htm.js";
import { shownTheme, switchTheme } from "./theme.js";
import { Announcements } from "./ui/announce.js";
import { Icon, Mark } from "./ui/icons.js";
import { Avatar } from "./ui/parts.js";

/** The frame: pages are {path, name, icon} of those that may be seen. */
export function Shell({ session, pages, path, children }) {
  return html`
    <a class="skip" href="#page">Skip to the content</a>
    <div class="frame">
      <header class="side"><div class="side-inner">
        <div class="brand">
          <${Mark} />
          <div class="brand-text">
            <div class="brand-name" title=${session.organizationName}>${session.organizationName}</div>
            <div class="brand-sub">${session.dev ? "Spillway · dev" : "Spillway"}</div>
          </div>
        </div>
        <${Navigation} pages=${pages} path=${path} />
        <div class="side-foot">
          <div class="whoami">
            <${Avatar} name=${session.displayName} />
            <div class="whoami-text">
              <div class="whoami-name">${session.displayName}</div>
              <div class="brand-sub">${roleNames[session.role] ?? "Signed in"}</div>
            </div>
          </div>
          <div class="side-actions">
            <${ThemeSwitch} />
            <form method="post" action="/signout">
              <button type="submit" class="button icon" aria-label=${`Sign out ${session.displayName}`} title="Sign out"><${Icon} name="out" /></button>
            </form>
          </div>
        </div>
      </div></header>
      <main class="page" id="page" tabindex="-1"><div class="page-inner">${children}</div></main>
    </div>
    <${Announcements} />`;
}

const roleNames = { OWNER: "Owner", ADMIN: "Admin", MEMBER: "Member" };

const Navigation = ({ pages, path }) => html`
  <nav class="nav" aria-label="Pages">
    <ul class="nav-list">
      ${pages.map((p) => html`
        <li key=${p.path}>
          <a class="nav-link" href=${p.path} aria-current=${path === p.path ? "page" : undefined}><${Icon} name=${p.icon} />${p.name}</a>
        </li>`)}
    </ul>
  </nav>`;

function ThemeSwitch() {
  const [theme, setTheme] = useState(shownTheme);
  const other = theme === "dark" ? "light" : "dark";
  return html`
    <button type="button" class="button icon" aria-label=${`Use the ${other} theme`} title=${`Use the ${other} theme`}
      onClick=${() => setTheme(switchTheme())}><${Icon} name=${theme === "dark" ? "sun" : "moon"} /></button>`;
}
