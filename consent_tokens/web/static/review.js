// Keys of the pages of reviews: j and k go on and back, a and r open the forms that approve and refuse.
'use strict';
(() => {
  const bar = document.getElementById('shortcuts');
  const box = bar.querySelector('input');
  const items = [...document.querySelectorAll('[data-item]')];
  bar.hidden = false;
  box.checked = localStorage.getItem('no-shortcuts') === null;
  box.addEventListener('change', () => {
    if (box.checked) localStorage.removeItem('no-shortcuts');
    else localStorage.setItem('no-shortcuts', '1');
  });
  const step = (by) => {
    const link = document.querySelector(by > 0 ? 'a[data-next]' : 'a[data-before]');
    if (link) link.click();
    else items[Math.min(Math.max(items.indexOf(document.activeElement) + by, 0), items.length - 1)]?.focus();
  };
  const open = (key) => {
    const form = document.querySelector(`details[data-key="${key}"]`);
    if (!form) return;
    form.open = true;
    form.querySelector('select, textarea, input:not([type=hidden]), button').focus();
    form.scrollIntoView({ block: 'nearest' });
  };
  document.addEventListener('keydown', (event) => {
    if (!box.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target !== box && event.target.closest('input, select, textarea')) return;
    if (event.key === 'j') step(1);
    else if (event.key === 'k') step(-1);
    else if (event.key === 'a' || event.key === 'r' || event.key === 'b') open(event.key);
    else return;
    event.preventDefault();
  });
})();
