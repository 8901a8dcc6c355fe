// Helpers that make elements; text is never read as HTML. In: names and content. Out: nodes.

export const $ = (id) => document.getElementById(id);

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Changes only what differs, so that a screen reader is not disturbed; a new text in the same
// text node costs the browser less than a new node.
export function say(node, text) {
  if (node.textContent === text) return;
  const { firstChild } = node;
  if (firstChild?.nodeType === 3 && !firstChild.nextSibling) firstChild.data = text;
  else node.textContent = text;
}

// Whether `name` was last shown with another value; if not, its layout can stay.
const shown = new Map();
export function changed(name, value) {
  const text = JSON.stringify(value);
  if (shown.get(name) === text) return false;
  shown.set(name, text);
  return true;
}

export function set(node, attribute, value) {
  if (node.getAttribute(attribute) !== String(value)) node.setAttribute(attribute, value);
}

// A table: heads are text or [text, 'number']; a cell is text, a number's text or a node.
export function table(caption, heads, rows) {
  const kinds = heads.map((head) => (Array.isArray(head) ? head[1] : ''));
  const cell = (name, n, content, more = {}) =>
    el(name, kinds[n] ? { class: kinds[n], ...more } : more, content);
  return el(
    'table', {},
    el('caption', { class: 'unseen' }, caption),
    el('thead', {}, el('tr', {}, ...heads.map((head, n) => cell('th', n, [head].flat()[0], { scope: 'col' })))),
    el('tbody', {}, ...rows.map((row) =>
      el('tr', {}, ...row.map((content, n) =>
        (n === 0 ? cell('th', n, content, { scope: 'row' }) : cell('td', n, content)))))),
  );
}
