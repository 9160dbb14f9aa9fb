// Refreshes the phone and the next step of the demonstration. Without it, there is a link.
'use strict';
const timer = setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch(location.pathname).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  if (!fresh.querySelector('[data-live]')) clearInterval(timer); // nothing changes any more
  for (const shown of document.querySelectorAll('[data-live]')) {
    const isTyping = shown.contains(document.activeElement) && document.activeElement.matches('input');
    const next = fresh.getElementById(shown.id);
    if (next && !isTyping && next.innerHTML !== shown.innerHTML) shown.replaceChildren(...next.childNodes);
  }
}, 1500);
