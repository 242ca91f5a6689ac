// What time it is for the server: the reader's clock may be wrong, and that of a development server can be moved.

let ahead = 0;

/** Now, in milliseconds. */
export const now = () => Date.now() + ahead;

/** Takes over the time that the server told just now. */
export const setNow = (at) => { ahead = Date.parse(at) - Date.now(); };
