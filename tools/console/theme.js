// Dark or light: as the system says until the button is pressed; and the colours that canvases need.
import { byId } from './dom.js';

const kKey = 'sluice-theme';

/** Filled in from the style sheet; the same object for ever. */
export const colours = { lines: [], grid: '', muted: '' };

function read() {
  const style = getComputedStyle(document.documentElement);
  colours.lines = Array.from({ length: 8 }, (_, i) => style.getPropertyValue(`--line-${i}`).trim());
  colours.grid = style.getPropertyValue('--grid').trim();
  colours.muted = style.getPropertyValue('--muted').trim();
}

export function setUpTheme(onChange) {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const choice = localStorage.getItem(kKey);
    if (choice) document.documentElement.dataset.theme = choice;
    else delete document.documentElement.dataset.theme;
    read();
    onChange();
  };
  system.addEventListener('change', apply);
  byId('theme').addEventListener('click', () => {
    const now = document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light');
    localStorage.setItem(kKey, now === 'dark' ? 'light' : 'dark');
    apply();
  });
  apply();
}
