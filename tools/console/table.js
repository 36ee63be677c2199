// Tables whose rows live on from second to second, keyed; columns say what they show.
import { h, setText } from './dom.js';

/**
 * Columns: {key, title, text(row), sort?(row), class?, tip?, make?(cell, row), update?(cell, row)}.
 * make/update are for cells that hold more than text.
 */
export class Table {
  constructor(element, columns, { onSelect = null, sortBy = null, limit = 200 } = {}) {
    Object.assign(this, { element, columns, onSelect, limit, sortBy, down: false, rows: new Map(), last: [] });
    this.heads = columns.map((column) => this.#head(column));
    this.body = h('tbody');
    element.append(h('thead', {}, h('tr', {}, ...this.heads)), this.body);
  }

  #head(column) {
    const cell = h('th', { scope: 'col', class: column.class, title: column.tip });
    if (!column.sort) {
      cell.append(column.hidden ? h('span', { class: 'hidden' }, column.title) : column.title);
      return cell;
    }
    cell.append(h('button', { type: 'button', on: { click: () => this.#sort(column.key) } }, column.title));
    return cell;
  }

  #sort(key) {
    this.down = this.sortBy === key ? !this.down : true;
    this.sortBy = key;
    this.show(this.last, this.selected);
  }

  #ordered(rows) {
    const column = this.columns.find(({ key }) => key === this.sortBy);
    this.columns.forEach(({ key }, i) => {
      if (key === this.sortBy) this.heads[i].setAttribute('aria-sort', this.down ? 'descending' : 'ascending');
      else this.heads[i].removeAttribute('aria-sort');
    });
    if (!column) return rows;
    const sign = this.down ? -1 : 1;
    const low = this.down ? -Infinity : Infinity; // what is not known goes last
    return [...rows].sort((a, b) => {
      const [x, y] = [column.sort(a) ?? low, column.sort(b) ?? low];
      return x < y ? -sign : x > y ? sign : 0;
    });
  }

  /** Rows have an `id`. */
  show(rows, selected = null) {
    Object.assign(this, { last: rows, selected });
    const ordered = this.#ordered(rows).slice(0, this.limit);
    const live = new Set(ordered.map(({ id }) => id));
    for (const [id, { row }] of this.rows) {
      if (!live.has(id)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    ordered.forEach((data, index) => {
      const entry = this.rows.get(data.id) ?? this.#make(data);
      entry.data = data;
      this.columns.forEach((column, i) => {
        if (column.update) column.update(entry.cells[i], data);
        else if (!column.make) setText(entry.cells[i], column.text(data));
      });
      entry.row.classList.toggle('selected', data.id === selected);
      if (this.onSelect) entry.row.setAttribute('aria-selected', String(data.id === selected));
      if (this.body.children[index] !== entry.row) this.body.insertBefore(entry.row, this.body.children[index] ?? null);
    });
  }

  #make(data) {
    const entry = { data };
    entry.cells = this.columns.map((column) => h('td', { class: column.class }));
    this.columns.forEach((column, i) => column.make?.(entry.cells[i], data, entry));
    entry.row = h('tr', {}, ...entry.cells);
    if (this.onSelect) {
      const choose = () => this.onSelect(entry.data.id);
      entry.row.tabIndex = 0;
      entry.row.addEventListener('click', choose);
      entry.row.addEventListener('keydown', (event) => {
        if (event.target === entry.row && (event.key === 'Enter' || event.key === ' ')) {
          event.preventDefault();
          choose();
        }
      });
    }
    this.rows.set(data.id, entry);
    return entry;
  }
}
