// Small helpers over the DOM, and numbers for people.

/** An element: properties by name, `class`, `on` for listeners, `aria-*` and `data-*` as attributes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === 'on') for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === 'class') element.className = value;
    else if (/^(aria|data)-|^(role|scope|for|colspan)$/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets text only where it changed, so that selections and readers are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const kNothing = '–';
const fixed = (value, digits) => (value === null || value === undefined || !Number.isFinite(value)
  ? kNothing : value.toFixed(digits));

export const format = {
  count(value) {
    if (value === null || value === undefined) return kNothing;
    if (value < 10000) return String(Math.round(value));
    const [unit, size] = value < 1e6 ? ['k', 1e3] : value < 1e9 ? ['M', 1e6] : ['G', 1e9];
    return `${(value / size).toFixed(value / size < 100 ? 1 : 0)} ${unit}`;
  },
  ms: (value) => fixed(value, value !== null && Math.abs(value) < 10 ? 1 : 0),
  percent: (share) => (share === null || share === undefined
    ? kNothing : fixed(share * 100, share && share < 0.1 ? 1 : 0)),
  kbit: (bps) => (bps === null || bps === undefined ? kNothing : fixed(bps / 1000, bps < 10000 ? 1 : 0)),
  bits(bps) {
    if (bps === null || bps === undefined) return kNothing;
    if (bps < 1e6) return `${(bps / 1e3).toFixed(0)} kbit/s`;
    return bps < 1e9 ? `${(bps / 1e6).toFixed(1)} Mbit/s` : `${(bps / 1e9).toFixed(2)} Gbit/s`;
  },
  bytes(value) {
    const [unit, size] = value < 1e3 ? ['B', 1] : value < 1e6 ? ['kB', 1e3] : value < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
    return `${(value / size).toFixed(size === 1 ? 0 : 1)} ${unit}`;
  },
  level: (dbov) => fixed(dbov, 0),
  age(ms) {
    const s = Math.floor(ms / 1000);
    const pad = (n) => String(n).padStart(2, '0');
    if (s < 3600) return `${Math.floor(s / 60)}:${pad(s % 60)}`;
    if (s >= 86400) return `${Math.floor(s / 86400)} d`;
    return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  },
};
